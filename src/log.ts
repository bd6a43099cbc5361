import { type DestinationStream, destination, type Logger, pino } from 'pino';
import { textLines } from './log/text-lines.ts';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
export type LogOptions = {
  level: 'debug' | 'info' | 'warn' | 'error';
  /** Null: text on a terminal, else JSON. */
  format: 'json' | 'text' | null;
};

/** Fields that are never written, at the top of an entry and two levels down. The one list of the program. */
const REDACTED_FIELDS = [
  'authorization',
  'cookie',
  'token',
  'tokens',
  'secret',
  'secrets',
  'password',
  'privateKey',
  'private_key',
  'adminToken',
  'webhookSecrets',
  'webhook_secrets',
  'databaseUrl',
  'database_url',
  'connectionString',
  'registration_token',
  'environment',
  'input',
] as const;

const STDERR = 2;

/** The logger of a program: lines of JSON, or text for people, on standard error unless said. */
export function createLog({ level, format }: LogOptions, to?: DestinationStream): Log {
  const out = to ?? destination({ dest: STDERR, sync: true });
  const text = format === null ? process.stderr.isTTY === true : format === 'text';
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError, error: describeError },
      redact: {
        paths: REDACTED_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
        censor: '[redacted]',
      },
    },
    text ? textLines(out) : out,
  );
}

/**
 * What an operator needs of an error. The database's `detail` isn't among it: it shows whole rows, and with them what
 * people wrote.
 */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, constraint, syscall } = error as { code?: unknown; constraint?: unknown; syscall?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(constraint === undefined ? {} : { constraint }),
    ...(syscall === undefined ? {} : { syscall }),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
