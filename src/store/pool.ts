import { Socket } from 'node:net';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { addressOptions, type DatabaseAddress } from './address.ts';
import { isReadOnly, isUnanswered } from './database-errors.ts';
import { noLog, type StoreLog } from './log.ts';
import { createPreparing } from './prepared.ts';
import type { Database } from './schema.ts';
import { sendTogether } from './sent-together.ts';

export type PoolOptions = DatabaseAddress & {
  /** Connections at most. */
  max?: number;
  statementTimeoutSeconds?: number;
  lockTimeoutSeconds?: number;
  /**
   * For statements that touch few rows of large tables by their keys. Before a new database has statistics the planner
   * would read whole tables for them, and at times after; here it may not. Statements needn't wait for the answers to
   * those before them: see `transact`.
   */
  byKeys?: boolean;
  /** Makes the socket of each connection. */
  stream?: () => Socket;
};

/** The database can't be used as it is set up. The message is one sentence for the operator. */
export class DatabaseUnfitError extends Error {
  override name = 'DatabaseUnfitError';
}

const oldestServerVersion = 15;

/** A pool in which every wait ends, and in which a lost connection is a line in the log, never a crash. */
export function createPool(options: PoolOptions, log: StoreLog = noLog): pg.Pool {
  const statementTimeoutMs = (options.statementTimeoutSeconds ?? 10) * 1000;
  const pool = new pg.Pool({
    ...withSettings(addressOptions(options), options.byKeys ?? false),
    ...(options.stream && { stream: options.stream }),
    application_name: 'taskejo',
    max: options.max ?? 10,
    connectionTimeoutMillis: 10_000,
    statement_timeout: statementTimeoutMs,
    lock_timeout: (options.lockTimeoutSeconds ?? 5) * 1000,
    // A process that stands still in the middle of a transaction holds rows that others wait for; ours never pause.
    idle_in_transaction_session_timeout: 5_000,
    // For a link that died silently. Longer than the server's limit, so that a slow statement has surely ended there.
    query_timeout: statementTimeoutMs + 5_000,
    pipeline: options.byKeys ?? false,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: { getTypeParser },
  });
  const readOnly = new WeakSet<pg.ClientBase>();
  const prepare = createPreparing((client, error) => {
    if (isReadOnly(error)) readOnly.add(client);
    // The server's own limit is shorter: nobody is there any more, and a rollback would only wait as long again.
    if (isUnanswered(error)) (client as pg.Client).connection.stream.destroy();
  });
  // A session that can't write may be with a server that is no longer the one to write to: the next one is made anew.
  pool.on('release', (_, client) => {
    if (readOnly.delete(client)) void client.end();
  });
  // A client emits its own errors also while it is lent out, when the pool doesn't listen.
  pool.on('connect', (client) => {
    sendTogether(client);
    prepare(client);
    let told = false; // the database's farewell and the closed socket are two errors
    client.on('error', (error) => {
      if (!told) log.warn({ err: error }, 'a database connection was lost');
      told = true;
    });
  });
  pool.on('error', () => {}); // the same error once more
  return pool;
}

/** Compiling a plan takes longer than any of our statements runs. */
const ALWAYS = ['-c timezone=UTC', '-c jit=off'];
/** There is one way for each of them, so a plan is made once for each connection, without what is asked for. */
const BY_KEYS = [
  ...['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin'].map((name) => `-c ${name}=off`),
  '-c plan_cache_mode=force_generic_plan',
];

/** Every session counts in UTC and compiles no plans, also where the connection string sets options of its own. */
function withSettings(address: DatabaseAddress, byKeys: boolean): DatabaseAddress & { options?: string } {
  const settings = [...ALWAYS, ...(byKeys ? BY_KEYS : [])].join(' ');
  const given = 'connectionString' in address ? address.connectionString : '';
  const connectionString = given.replace(/([?&]options=[^&]*)/, `$1${encodeURIComponent(` ${settings}`)}`);
  return connectionString === given ? { ...address, options: settings } : { connectionString };
}

/**
 * int8 comes as a number: our sequences and byte counts stay far below 2^53, and a larger one is an error.
 * Times come as text, because a Date would lose their microseconds.
 */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') => {
  if (oid === pg.types.builtins.INT8) return safeInteger;
  if (oid === pg.types.builtins.TIMESTAMPTZ) return rfc3339;
  return pg.types.getTypeParser(oid, format);
};

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} from the database is too large for a number`);
  return value;
}

/** The session's time zone is UTC, so PostgreSQL writes `2026-11-21 15:04:05.12+00`: RFC 3339 wants a few letters. */
const WITH_SIX_DIGITS = '2026-11-21 15:04:05.123456+00'.length;

function rfc3339(text: string): string {
  // Most have them all, and there are several in each row.
  if (text.length === WITH_SIX_DIGITS) return `${text.slice(0, 10)}T${text.slice(11, 26)}Z`;
  const [, date, time, fraction = ''] = /^(\S+) ([\d:]+)(?:\.(\d+))?\+00$/.exec(text) ?? [];
  return date === undefined ? text : `${date}T${time}.${fraction.padEnd(6, '0')}Z`;
}

export type OpenDatabase = {
  db: Kysely<Database>;
  pool: pg.Pool;
  /** Waits for the statements under way. */
  close(): Promise<void>;
  /** Ends them too, from here on every statement fails: for who can't wait any longer. Nothing is lost but their answers. */
  cut(): void;
};

/** Opens a database for use. */
export function openDatabase(options: PoolOptions, log?: StoreLog): OpenDatabase {
  const { stream, destroyAll } = createSockets();
  const pool = createPool({ ...options, stream }, log);
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  let closing: Promise<void> | null = null;
  const close = () => {
    closing ??= db.destroy();
    return closing;
  };
  const cut = () => {
    close().catch(() => {}); // said to who closes
    destroyAll();
  };
  return { db, pool, close, cut };
}

/** Of all connections, those that are still being made too: a pool tells only of the others. */
function createSockets() {
  const open = new Set<Socket>();
  const stream = () => {
    const socket = new Socket();
    open.add(socket);
    return socket.once('close', () => open.delete(socket));
  };
  return { stream, destroyAll: () => open.forEach((socket) => void socket.destroy()) };
}

/** Throws {@link DatabaseUnfitError} if the server is too old, or may forget what it has acknowledged. */
export async function checkDurability(db: Kysely<Database>): Promise<void> {
  const { version, commit } = await readServerSettings(db);
  if (version < oldestServerVersion) {
    throw new DatabaseUnfitError(`The database is PostgreSQL ${version}; taskejo needs 15 or newer.`);
  }
  if (commit === 'off') {
    throw new DatabaseUnfitError(
      "The database has synchronous_commit off and may lose what it acknowledged; turn it on for taskejo's database.",
    );
  }
}

async function readServerSettings(db: Kysely<Database>): Promise<{ version: number; commit: string }> {
  const { rows } = await sql<{ version: number; commit: string }>`
    select current_setting('server_version_num')::int / 10000 as version,
           current_setting('synchronous_commit') as commit`.execute(db);
  return rows[0] ?? { version: 0, commit: '' };
}
