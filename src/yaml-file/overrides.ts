import { z } from 'zod';
import { type Path, pathText, unknownKey } from './mistake.ts';
import { isOfKind, knownKeys, mayBeNull, membersOf, schemasAt } from './schema-tree.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
/** A value from outside the file, and what said it: the name of a variable or of a flag. */
export type Override = { name: string; path: Path; value: unknown };
export type OverrideMistake = { name: string; path: string; message: string };

/**
 * Reads the settings that the environment gives: prefix + path in capitals, `__` between levels; `names` are further
 * variables with their paths. An empty variable counts as not set; one whose first part is no key of ours is somebody
 * else's, or a mistake: that is for the caller to say.
 */
export function environmentOverrides(
  schema: z.ZodType,
  env: Environment,
  prefix: string,
  names: Readonly<Record<string, Path>>,
): { overrides: Override[]; mistakes: OverrideMistake[]; strange: OverrideMistake[] } {
  const overrides: Override[] = [];
  const mistakes: OverrideMistake[] = [];
  const strange: OverrideMistake[] = [];
  for (const [name, raw] of Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const path = names[name] ?? (name.startsWith(prefix) ? name.slice(prefix.length).toLowerCase().split('__') : null);
    if (raw === undefined || raw === '' || path === null) continue;
    if (schemasAt(schema, path.slice(0, 1)).length === 0) {
      strange.push({ name, path: pathText(path), message: unknownKey(String(path[0]), knownKeys([schema])) });
      continue;
    }
    try {
      overrides.push({ name, path, value: decode(raw, schemasOfKeys(schema, path)) });
    } catch (error) {
      mistakes.push({ name, path: pathText(path), message: (error as Error).message });
    }
  }
  return { overrides, mistakes, strange };
}

function schemasOfKeys(schema: z.ZodType, path: Path): z.ZodType[] {
  let schemas = [schema];
  for (const key of path) {
    const known = knownKeys(schemas);
    if (!known.includes(String(key))) throw new Error(unknownKey(String(key), known));
    schemas = membersOf(schemas, key);
  }
  return schemas;
}

/** Lists are comma-separated or JSON, maps and lists of maps JSON. */
function decode(raw: string, schemas: readonly z.ZodType[]): unknown {
  if (raw === 'null' && mayBeNull(schemas)) return null;
  if (isOfKind(schemas, z.ZodArray)) return decodeList(raw, schemas);
  if (isOfKind(schemas, z.ZodObject, z.ZodRecord)) return parseJson(raw);
  if (isOfKind(schemas, z.ZodBoolean) && /^(?:true|false)$/.test(raw)) return raw === 'true';
  if (isOfKind(schemas, z.ZodNumber) && /^-?\d+(?:\.\d+)?$/.test(raw)) return Number(raw);
  return raw;
}

function decodeList(raw: string, schemas: readonly z.ZodType[]): unknown {
  if (raw.trimStart().startsWith('[')) return parseJson(raw);
  if (isOfKind(membersOf(schemas, 0), z.ZodObject)) throw new Error('must be JSON: a list of maps');
  return raw
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function parseJson(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    throw new Error('must be JSON');
  }
}

/** The data with the value put at the path; maps on the way are made where there are none. */
export function withValue(data: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const map = isPlainMap(data) ? data : {};
  return { ...map, [key]: withValue(map[key], rest, value) };
}

export const isPlainMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
