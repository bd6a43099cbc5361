type Element = string | number | boolean | Buffer | null;

const SPECIAL = /["\\]/;
/** What JSON writes in another way than PostgreSQL reads it. */
const UNLIKE_JSON = /[\p{Cc}\p{Cs}]/u;

/**
 * An array of one dimension as PostgreSQL reads it, or null where it holds something else than texts, numbers,
 * truths and bytes. The driver does the same for everything, and takes several times as long for it.
 */
export function arrayLiteral(values: readonly unknown[]): string | null {
  let text = '';
  for (const value of values) {
    if (!isElement(value)) return null;
    text += `${text === '' ? '' : ','}${elementOf(value)}`;
  }
  return `{${text}}`;
}

const isElement = (value: unknown): value is Element =>
  value === null ||
  typeof value === 'string' ||
  typeof value === 'number' ||
  typeof value === 'boolean' ||
  Buffer.isBuffer(value);

function elementOf(value: Element): string {
  if (value === null) return 'NULL';
  if (typeof value === 'object') return `"\\\\x${value.toString('hex')}"`;
  if (typeof value !== 'string') return String(value);
  if (!SPECIAL.test(value)) return `"${value}"`;
  return UNLIKE_JSON.test(value) ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : JSON.stringify(value);
}
