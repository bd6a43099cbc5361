import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { openNotifyConnection } from './notify-connection.ts';

/** What may have changed. Only a hint: whoever gets one reads the database, and looks once a second without any. */
export type Hint =
  /** Tasks wait; of one lane, if it is said, and how many, none of them with a lower rank than is said. */
  | { kind: 'ready'; lane?: number; tasks?: number; rank?: number }
  /** An agent has a place more. */
  | { kind: 'place'; agentId: string }
  | { kind: 'agents' }
  /** A token was revoked. */
  | { kind: 'tokens' }
  /** Hints may have been lost: the connection was away. */
  | { kind: 'missed' }
  /** A task is final that others depend on. */
  | { kind: 'ended' }
  | { kind: 'task'; taskId: string }
  | { kind: 'log'; attemptId: string }
  /** Somebody watches its log. */
  | { kind: 'followed'; attemptId: string };

export type Wakeups = {
  /** Wakes this process at once and the other replicas within some 10 ms. Call it after the commit. */
  emit(...hints: Hint[]): void;
  /** Answers how to stop listening. */
  subscribe(listener: (hint: Hint) => void): () => void;
  stop(): Promise<void>;
};

type Logger = { warn(fields: object, message: string): void };
type ReadyHint = Hint & { kind: 'ready' };
type Message = { from: string; hints: Hint[] };

const CHANNEL = 'taskejo';
const FLUSH_MS = 10;
/** NOTIFY takes at most 8,000 bytes; beyond this many hints two general ones say enough. */
const MAX_HINTS = 100;
const LOOK_AT_ALL: Hint[] = [{ kind: 'ready' }, { kind: 'agents' }];

/**
 * Hints between replicas. NOTIFY never stands in a transaction that writes: it would take a lock that lines up all
 * commits of the database.
 */
export async function createWakeups(config: pg.ClientConfig, log: Logger): Promise<Wakeups> {
  const listeners = new Set<(hint: Hint) => void>();
  const own = crypto.randomUUID();
  let outgoing = new Map<string, Hint>();
  let flushing: Promise<void> | null = null;
  let stopped = false;

  const deliver = (hint: Hint) => {
    for (const listener of listeners) listener(hint);
  };

  const connection = await openNotifyConnection(config, {
    channel: CHANNEL,
    onPayload(payload) {
      const message = read(payload);
      if (message.from !== own) message.hints.forEach(deliver);
    },
    onConnected: () => [...LOOK_AT_ALL, { kind: 'missed' } as const].forEach(deliver),
    log,
  });

  /** One NOTIFY at a time: what is emitted meanwhile goes with the next. */
  const flush = async () => {
    while (outgoing.size > 0 && !stopped) {
      const hints = outgoing.size > MAX_HINTS ? LOOK_AT_ALL : [...outgoing.values()];
      outgoing = new Map();
      await connection.notify(JSON.stringify({ from: own, hints } satisfies Message));
      await delay(FLUSH_MS);
    }
    flushing = null;
  };

  return {
    emit(...hints) {
      for (const hint of hints) {
        deliver(hint);
        if (outgoing.size <= MAX_HINTS) add(outgoing, hint);
      }
      flushing ??= delay(FLUSH_MS).then(flush);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      stopped = true;
      await flushing;
      await connection.stop();
    },
  };
}

/** What is told twice is told once, but of tasks it matters how many there are, and which is the first. */
function add(hints: Map<string, Hint>, hint: Hint): void {
  if (hint.kind !== 'ready' || hint.lane === undefined) {
    hints.set(Object.values(hint).join(' '), hint);
    return;
  }
  const key = `ready ${hint.lane}`;
  const before = hints.get(key);
  const one = { ...hint, tasks: hint.tasks ?? 1 };
  hints.set(key, before?.kind === 'ready' ? both(before, one) : one);
}

function both({ rank: before, ...one }: ReadyHint, { rank, tasks = 1 }: ReadyHint): ReadyHint {
  const together = { ...one, tasks: (one.tasks ?? 1) + tasks };
  return before === undefined || rank === undefined ? together : { ...together, rank: Math.min(before, rank) };
}

/** Anybody who may use the database may notify; what we can't read says only that something may have changed. */
function read(payload: string): Message {
  try {
    return JSON.parse(payload) as Message;
  } catch {
    return { from: '', hints: LOOK_AT_ALL };
  }
}
