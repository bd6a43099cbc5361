import pg from 'pg';

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

/** One connection that both LISTENs and NOTIFYs, made again whenever it is lost. Throws if the first one fails. */
export async function openNotifyConnection(
  config: pg.ClientConfig,
  { channel, onPayload, onConnected, log }: NotifyOptions,
): Promise<NotifyConnection> {
  let client: pg.Client | null = null;
  let stopped = false;

  const connect = async () => {
    const next = new pg.Client({ ...config, keepAlive: true, application_name: 'taskejo wakeups' });
    next.on('error', (error) => lost(next, error));
    next.on('end', () => lost(next, new Error('connection ended')));
    next.on('notification', ({ payload }) => onPayload(payload ?? ''));
    try {
      await next.connect();
      await next.query(`listen ${channel}`);
    } catch (error) {
      close(next);
      throw error;
    }
    if (stopped) return close(next);
    client = next;
    onConnected();
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
      await client?.query('select pg_notify($1, $2)', [channel, payload]).catch(() => {});
    },
    async stop() {
      stopped = true;
      await client?.end();
    },
  };
}

function close(client: pg.Client): void {
  client.end().catch(() => {});
}
