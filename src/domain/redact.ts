import type { Json } from './canonical-json.ts';
import { findTokens, mayHoldToken, openToken, type Span } from './redact-tokens.ts';

const STAR = 0x2a;
/** A line of a secret of several lines is hidden by itself, too, unless it is too short to tell from anything else. */
const LEAST_LINE = 8;

/**
 * Hides secrets, and tokens of ours, in a stream that comes in pieces: each of their bytes becomes `*`. Answers the bytes that are decided,
 * which may be fewer than came: of those at the end that may begin a secret it isn't known yet, and they are to be given
 * again with what follows. `end`: nothing follows. `afterGap`: what was before is not known, so that the end of a secret
 * may stand here without its beginning.
 */
export function hideInStream(
  bytes: Uint8Array,
  secrets: readonly string[],
  { end, afterGap }: { end: boolean; afterGap: boolean },
): Uint8Array {
  const needles = needlesOf(secrets);
  const given = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: Span[] = findTokens(given, afterGap);
  const open = end ? 0 : openToken(given);
  if (needles.length === 0 && found.length === 0) return open === 0 ? bytes : bytes.subarray(0, bytes.length - open);
  const text = Buffer.from(bytes);
  for (const needle of needles) found.push({ length: needle.length, starts: occurrences(text, needle) });
  if (afterGap) found.push({ length: Math.max(0, ...needles.map((needle) => cutEnd(text, needle))), starts: [0] });
  const decided = end
    ? text.length
    : decidedBytes(text, Math.max(open, ...needles.map((needle) => openEnd(text, needle))), found);
  for (const one of found) fill(text, one);
  return text.subarray(0, decided);
}

/** The same for a text that is there as a whole. */
export const hideInText = (text: string, secrets: readonly string[]): string =>
  secrets.length === 0 && !mayHoldToken(text)
    ? text
    : Buffer.from(hideInStream(Buffer.from(text), secrets, WHOLE)).toString();

const WHOLE = { end: true, afterGap: false };

/** The same for every text in a value, names among them. */
export function hideInJson(value: Json, secrets: readonly string[]): Json {
  if (value === null || (secrets.length === 0 && !mayHoldToken(JSON.stringify(value)))) return value;
  if (typeof value === 'string') return hideInText(value, secrets);
  if (Array.isArray(value)) return value.map((item) => hideInJson(item, secrets));
  if (typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [hideInText(name, secrets), hideInJson(member as Json, secrets)]),
  );
}

function needlesOf(secrets: readonly string[]): Buffer[] {
  const lines = secrets.flatMap((secret) => secret.split(/\r?\n/)).filter((line) => line.length >= LEAST_LINE);
  return [...new Set([...secrets, ...lines])].filter((text) => text !== '').map((text) => Buffer.from(text));
}

/** Every place where it begins, also those that overlap. */
function occurrences(text: Buffer, needle: Buffer): number[] {
  const starts: number[] = [];
  for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + 1)) starts.push(at);
  return starts;
}

/** How many bytes at the beginning are the end of a secret. */
function cutEnd(text: Buffer, needle: Buffer): number {
  for (let length = Math.min(needle.length - 1, text.length); length > 0; length--) {
    if (text[length - 1] !== needle.at(-1)) continue;
    if (text.subarray(0, length).equals(needle.subarray(-length))) return length;
  }
  return 0;
}

/** How many bytes at the end may begin a secret. */
function openEnd(text: Buffer, needle: Buffer): number {
  for (let length = Math.min(needle.length - 1, text.length); length > 0; length--) {
    if (text[text.length - length] !== needle[0]) continue;
    if (text.subarray(-length).equals(needle.subarray(0, length))) return length;
  }
  return 0;
}

/** A secret that reaches into what may begin another one is given again as a whole, else the rest of it would show. */
function decidedBytes(text: Buffer, openBytes: number, found: readonly Span[]): number {
  const open = text.length - openBytes;
  const across = found.flatMap(({ length, starts }) => starts.find((at) => at < open && at + length > open) ?? []);
  return Math.min(open, ...across);
}

function fill(text: Buffer, { length, starts }: Span): void {
  let filled = 0;
  for (const at of starts) {
    text.fill(STAR, Math.max(at, filled), at + length);
    filled = at + length;
  }
}
