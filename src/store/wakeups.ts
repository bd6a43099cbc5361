import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

/** What may have changed. Only a hint: whoever gets one reads the database, and looks once a second without any. */
export type Hint =
  | { kind: 'ready' }
  | { kind: 'agents' }
  | { kind: 'task'; taskId: string }
  | { kind: 'log'; attemptId: string };

export type Wakeups = {
  /** Wakes this process at once and the other replicas within some 10 ms. Call it after the commit. */
  emit(...hints: Hint[]): void;
  /** Answers how to stop listening. */
  subscribe(listener: (hint: Hint) => void): () => void;
  stop(): Promise<void>;
};

type Logger = { warn(fields: object, message: string): void };

const CHANNEL = 'taskejo';
const FLUSH_MS = 10;
const RECONNECT_MS = 1_000;
/** NOTIFY takes at most 8,000 bytes; beyond this many hints one general hint says it all. */
const MAX_HINTS = 100;

/**
 * Hints between replicas over one connection that both LISTENs and NOTIFYs. NOTIFY never stands in a transaction that
 * writes: it would take a lock that lines up all commits of the database.
 */
export async function createWakeups(config: pg.ClientConfig, log: Logger): Promise<Wakeups> {
  const listeners = new Set<(hint: Hint) => void>();
  const own = crypto.randomUUID();
  let outgoing: Hint[] = [];
  let flushing: Promise<void> | null = null;
  let client: pg.Client | null = null;
  let stopped = false;

  const deliver = (hint: Hint) => {
    for (const listener of listeners) listener(hint);
  };

  const receive = (payload: string) => {
    const message = JSON.parse(payload) as { from: string; hints: Hint[] };
    if (message.from !== own) message.hints.forEach(deliver);
  };

  const connect = async () => {
    const next = new pg.Client({ ...config, keepAlive: true, application_name: 'taskejo wakeups' });
    next.on('error', (error) => lost(next, error));
    next.on('end', () => lost(next, new Error('connection ended')));
    next.on('notification', ({ payload }) => receive(payload ?? '{"hints":[]}'));
    await next.connect();
    await next.query(`listen ${CHANNEL}`);
    client = next;
    // What happened while nobody listened is unknown: everybody looks.
    deliver({ kind: 'ready' });
    deliver({ kind: 'agents' });
  };

  const lost = (which: pg.Client, error: Error) => {
    if (stopped || client !== which) return;
    client = null;
    log.warn({ error: error.message }, 'wake-ups lost their connection; looking once a second meanwhile');
    void which.end().catch(() => {});
    reconnect();
  };

  const reconnect = () => {
    setTimeout(() => {
      if (!stopped) connect().catch(reconnect);
    }, RECONNECT_MS).unref();
  };

  /** One NOTIFY at a time: what is emitted meanwhile goes with the next. */
  const flush = async () => {
    while (outgoing.length > 0 && !stopped) {
      const hints: Hint[] = outgoing.length > MAX_HINTS ? [{ kind: 'ready' }, { kind: 'agents' }] : outgoing;
      outgoing = [];
      const payload = JSON.stringify({ from: own, hints });
      // Lost when there is no connection: it is only a hint, and whoever waits looks once a second.
      await client?.query('select pg_notify($1, $2)', [CHANNEL, payload]).catch(() => {});
      await delay(FLUSH_MS);
    }
    flushing = null;
  };

  const emit = (...hints: Hint[]) => {
    for (const hint of hints) {
      deliver(hint);
      if (!outgoing.some((other) => sameHint(other, hint))) outgoing.push(hint);
    }
    flushing ??= delay(FLUSH_MS).then(flush);
  };

  await connect();
  return {
    emit,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      stopped = true;
      await flushing;
      await client?.end();
    },
  };
}

const sameHint = (a: Hint, b: Hint): boolean => JSON.stringify(a) === JSON.stringify(b);
