const REPLACEMENT = '\uFFFD';

/** Text that PostgreSQL can hold: NUL and lone surrogates, which a forge may send, become U+FFFD. */
export const safeText = (text: string): string => text.replaceAll('\0', REPLACEMENT).toWellFormed();

/** At most `max` UTF-16 units of the text, never half of a character. */
export const cutCharacters = (text: string, max: number): string =>
  text.length <= max ? text : text.slice(0, max).replace(/[\uD800-\uDBFF]$/, '');

export const byteLength = (text: string): number => Buffer.byteLength(text, 'utf8');

/** The text if it has at most `max` bytes as UTF-8, else its beginning and how many bytes are left out. */
export function cutBytes(text: string, max: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= max) return text;
  const room = max - 64;
  let end = room;
  while (end > 0 && isContinuation(bytes[end])) end -= 1;
  return `${bytes.toString('utf8', 0, end)}\n[${bytes.length - end} bytes left out]`;
}

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;
