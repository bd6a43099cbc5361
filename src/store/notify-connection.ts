import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { isFromServer } from './database-errors.ts';

type Logger = { warn(fields: object, message: string): void };

export type NotifyConnection = {
  /** Lost when there is no connection now. */
  notify(payload: string): Promise<void>;
  stop(): Promise<void>;
};

export type NotifyOptions = {
  channel: string;
  onPayload: (payload: string) => void;
  /** Each time that it listens: what happened before is unknown. */
  onConnected: () => void;
  log: Logger;
};

const RECONNECT_MS = 1_000;
/** Whoever only listens doesn't notice when the other end is gone, so it is asked for a sign of life this often. */
const BEAT_MS = 3_000;
const ANSWER_WITHIN_MS = 3_000;
const CONNECT_WITHIN_MS = 5_000;
const FAREWELL_MS = 1_000;

/** One connection that both LISTENs and NOTIFYs, made again whenever it is lost. Throws if the first one fails. */
export async function openNotifyConnection(
  config: pg.ClientConfig,
  { channel, onPayload, onConnected, log }: NotifyOptions,
): Promise<NotifyConnection> {
  let client: pg.Client | null = null;
  let stopped = false;

  const connect = async () => {
    const next = new pg.Client({
      ...config,
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_WITHIN_MS,
      application_name: 'taskejo wakeups',
    });
    next.on('error', (error) => lost(next, error));
    next.on('end', () => lost(next, new Error('connection ended')));
    next.on('notification', ({ payload }) => onPayload(payload ?? ''));
    try {
      await next.connect();
      await inTime(next.query(`listen ${channel}`));
    } catch (error) {
      close(next);
      throw error;
    }
    if (stopped) return close(next);
    client = next;
    void beat(next);
    onConnected();
  };

  const beat = async (which: pg.Client) => {
    while (client === which) {
      await delay(BEAT_MS, undefined, { ref: false });
      if (client === which) await tell(which, 'select 1', []);
    }
  };

  const tell = async (which: pg.Client, statement: string, values: unknown[]) => {
    try {
      await inTime(which.query(statement, values));
    } catch (error) {
      if (!isFromServer(error)) lost(which, error as Error);
    }
  };

  const lost = (which: pg.Client, error: Error) => {
    if (stopped || client !== which) return;
    client = null;
    log.warn({ error: error.message }, 'wake-ups lost their connection; looking once a second meanwhile');
    close(which);
    reconnect();
  };

  const reconnect = () => {
    setTimeout(() => {
      if (!stopped) connect().catch(reconnect);
    }, RECONNECT_MS).unref();
  };

  await connect();
  return {
    async notify(payload) {
      if (client !== null) await tell(client, 'select pg_notify($1, $2)', [channel, payload]);
    },
    async stop() {
      stopped = true;
      if (client !== null) await farewell(client);
    },
  };
}

/** What isn't answered in time will never be: the link is dead, or the database stands still. */
async function inTime(answer: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('no answer in time')), ANSWER_WITHIN_MS);
  try {
    await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
    answer.catch(() => {}); // what was said of it was said
  }
}

/** Over a dead link nobody answers it. */
async function farewell(client: pg.Client): Promise<void> {
  const timer = setTimeout(() => client.connection.stream.destroy(), FAREWELL_MS);
  await client.end();
  clearTimeout(timer);
}

function close(client: pg.Client): void {
  farewell(client).catch(() => {});
}
