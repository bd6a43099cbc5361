const MAX_DEPTH = 64;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

export type JsonObject = Record<string, unknown>;
export type ReadResult = { object: JsonObject } | { malformed: string };

/** The JSON object that the bytes hold, or in one sentence why they hold none. Depth is counted before parsing. */
export function readJsonObject(bytes: Uint8Array): ReadResult {
  if (isDeeperThan(bytes, MAX_DEPTH)) return { malformed: `the body is nested deeper than ${MAX_DEPTH} levels` };
  const text = decode(bytes);
  if (text === null) return { malformed: 'the body is not UTF-8' };
  const value = parse(text);
  if (value === undefined) return { malformed: 'the body is not JSON' };
  return isObject(value) ? { object: value } : { malformed: 'the body is not a JSON object' };
}

/** Brackets outside strings are counted on the bytes: no byte of a longer UTF-8 character looks like one. */
function isDeeperThan(bytes: Uint8Array, max: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (OPENING.has(byte)) depth += 1;
    else if (CLOSING.has(byte)) depth -= 1;
    if (depth > max) return true;
  }
  return false;
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
