import type { Json } from '../../domain/canonical-json.ts';

/** As much of a command's own result as is kept. */
export const OUTPUT_LIMIT_BYTES = 1024 * 1024;
const MAX_DEPTH = 50;

export type CommandOutput = { total: number; bytes: Uint8Array };

/** The result that a command left in its output file: JSON, else its text; null when there is none that can be kept. */
export function readOutput(output: CommandOutput | null): Json {
  if (output === null || output.total === 0 || output.total > OUTPUT_LIMIT_BYTES) return null;
  const text = new TextDecoder().decode(output.bytes);
  const value = parseJson(text);
  return fits(value) ? value : null;
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** Could the control plane take it? It refuses what is too deep, too large when written out, or not text. */
function fits(value: Json): boolean {
  if (depth(value, 0) > MAX_DEPTH) return false;
  return Buffer.byteLength(JSON.stringify(value)) <= OUTPUT_LIMIT_BYTES && isText(value);
}

function depth(value: Json, above: number): number {
  if (above > MAX_DEPTH || value === null || typeof value !== 'object') return above;
  return Object.values(value).reduce<number>(
    (deepest, member) => Math.max(deepest, depth(member ?? null, above + 1)),
    above + 1,
  );
}

/** No NUL and no half of a surrogate pair anywhere: a database of text can't hold them. */
function isText(value: Json): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (value === null || typeof value !== 'object') return true;
  return Object.entries(value).every(([name, member]) => isText(name) && isText(member ?? null));
}
