/*
 * Our own tokens in what a command prints: it finds one in its environment, and `env` shows it to whoever may read the
 * log. They are known by their form, since of most only a hash is kept.
 */

const BEGIN = 'tkj_';
const LONGEST = 96;
const TOKEN =
  /tkj_(?:attempt_[A-Za-z0-9_-]{65}|(?:admin|coordinator|agent|viewer|register)_[A-Za-z0-9_-]{43})[0-9a-f]{6}/g;
const WHOLE = new RegExp(`^${TOKEN.source}$`);
/** Four letters and more at the end may begin one wherever they stand, fewer only where a word begins. */
const OPEN = /(?:tkj_[a-z]{0,11}(?:_[A-Za-z0-9_-]{0,70})?|(?<![A-Za-z0-9_-])(?:t|tk|tkj))$/;
/** The end of one whose beginning was left out: a word that ends as they do. */
const CUT = /^[A-Za-z0-9_-]{0,88}[0-9a-f]{6}(?![A-Za-z0-9_-])/;

export type Span = { length: number; starts: readonly number[] };

/** Where whole tokens stand; with `afterGap` also what may be the end of one. */
export function findTokens(text: Buffer, afterGap: boolean): Span[] {
  const cut = afterGap ? CUT.exec(text.subarray(0, LONGEST).toString('latin1')) : null;
  const found = cut === null ? [] : [{ length: cut[0].length, starts: [0] }];
  if (!text.includes(BEGIN)) return found;
  for (const match of text.toString('latin1').matchAll(TOKEN)) {
    found.push({ length: match[0].length, starts: [match.index] });
  }
  return found;
}

/** How many bytes at the end may begin one. */
export function openToken(text: Buffer): number {
  const tail = text.subarray(-LONGEST).toString('latin1');
  const open = OPEN.exec(tail)?.[0] ?? '';
  // What is whole already begins nothing.
  return WHOLE.test(open) ? 0 : open.length;
}

export const mayHoldToken = (text: string): boolean => text.includes(BEGIN);
