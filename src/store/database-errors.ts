import { isStalePlan } from './prepared.ts';

/** Whether a statement was refused because of this constraint or unique index. */
export const violates = (error: unknown, constraint: string): boolean =>
  error instanceof Error && 'constraint' in error && error.constraint === constraint;

/** Whether a statement got no answer at all in the time that it may take. */
export const isUnanswered = (error: unknown): boolean =>
  error instanceof Error && error.message === 'Query read timeout';

const READ_ONLY = '25006';
/** Whether a statement was refused because nothing can be written here: a standby, or a full disk. */
export const isReadOnly = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === READ_ONLY;

/** Whether a statement was refused only because one before it in the same transaction had failed. */
export const isFailedSince = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === '25P02';

/** SQLSTATEs of statements that may succeed when they are tried again: nobody's fault who asked. */
const PASSING_STATES = new Set([
  '40001', // serialization_failure
  '25P03', // idle_in_transaction_session_timeout: this process stood still
  '40P01', // deadlock_detected
  '53100', // disk_full
  '53200', // out_of_memory
  '53300', // too_many_connections
  '55P03', // lock_not_available: lock_timeout
  '57014', // query_canceled: statement_timeout
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  READ_ONLY,
]);
const CONNECTION_STATE = /^08/;
const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
]);
/** What `pg` says of a connection that ended, or could not be had in time. It gives these errors no code. */
const CONNECTION_MESSAGE =
  /^(?:Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Cannot use a pool after calling end|driver has already been destroyed)/;

/** Whether an error of the store means that the database can't answer now, rather than that something is wrong. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null;
  if (isStalePlan(error)) return true;
  if (code === null) return CONNECTION_MESSAGE.test(error.message);
  const fromSystem = 'syscall' in error && SYSTEM_CODES.has(code);
  return fromSystem || PASSING_STATES.has(code) || CONNECTION_STATE.test(code);
}

/** States in which the server ends the session: what it was doing may have been committed or not. */
const ENDING_STATE = /^(?:08|57P0|25P03)/;

/** Whether the database itself refused a statement, in a session that goes on: its transaction was rolled back. */
export const isFromServer = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  typeof error.code === 'string' &&
  /^[0-9A-Z]{5}$/.test(error.code) &&
  !('syscall' in error) &&
  !ENDING_STATE.test(error.code);
