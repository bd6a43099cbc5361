import type { DestinationStream } from 'pino';

/** Turns lines of JSON into lines for people: `15:04:05.123 warn what happened  field=value`. */
export const textLines = (out: DestinationStream): DestinationStream => ({
  write: (line) => out.write(`${readable(line)}\n`),
});

function readable(line: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${plain(value)}`);
  const head = `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${plain(msg)}`;
  return [[head, ...pairs].join('  '), ...errorLines(err)].join('\n');
}

/** Text as it is where nothing in it could move the cursor or look like another field; else as JSON. */
function plain(value: unknown): string {
  if (typeof value === 'string' && /^[^\p{Cc}"\\]*$/u.test(value)) return value;
  return JSON.stringify(value) ?? '';
}

function errorLines(err: unknown): string[] {
  if (typeof err !== 'object' || err === null) return [];
  const { stack, cause, message } = err as { stack?: unknown; cause?: unknown; message?: unknown };
  const lines = typeof stack === 'string' ? stack.split('\n') : [String(message)];
  return [...lines.map((line) => `    ${plain(line.trim())}`), ...errorLines(cause)];
}
