import { createContext, runInContext } from 'node:vm';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { canonicalJson, type Json } from './canonical-json.ts';

/** What a schema, or a check by one, may take. A schema can be made to take for ever: by its patterns, or by its size. */
const COMPILE_MS = 1_000;
const CHECK_MS = 200;
/** So much longer a loaded machine may take for the same. */
const MOST_TURNS = 8;
const MAX_KEPT = 100;
const OPTIONS = { strict: false, validateFormats: false, addUsedSchema: false, logger: false } as const;

/** A schema that can't be used. The message ends a sentence about it. */
export class SchemaError extends Error {
  override name = 'SchemaError';
}

/** Compiled schemas by their canonical text, the least recently used first. */
const kept = new Map<string, ValidateFunction>();

/**
 * Makes sure that a JSON Schema (draft 2020-12) can be used. It refers to nothing outside itself, and `format` only says
 * something to people, as the draft has it. Throws a SchemaError.
 */
export function checkSchema(schema: Json): void {
  compiled(schema);
}

/** Where and how the output of an attempt doesn't fit the schema of its task, as one sentence; null: it does. */
export function checkOutput(schema: Json, output: Json): string | null {
  try {
    const fits = compiled(schema);
    const [error] = within(CHECK_MS, () => (fits(output) ? [] : (fits.errors ?? []).slice(0, 1)));
    return error === undefined ? null : sentence(error);
  } catch (error) {
    return `the output can't be checked against its schema: ${why(error)}`;
  }
}

function compiled(schema: Json): ValidateFunction {
  const text = canonicalJson(schema);
  const found = kept.get(text) ?? compile(schema);
  kept.delete(text);
  kept.set(text, found);
  const [oldest] = kept.keys();
  if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
  return found;
}

/** Each schema by itself: two of them may give themselves the same `$id`, and one that was interrupted is half there. */
function compile(schema: Json): ValidateFunction {
  try {
    return within(COMPILE_MS, () => new Ajv2020(OPTIONS).compile(schema as object));
  } catch (error) {
    throw new SchemaError(`is not a JSON Schema that can be used: ${why(error)}`, { cause: error });
  }
}

const empty = createContext(Object.create(null));

/** Runs our own function, but no longer than it has had so much of the processor, however slowly a loaded machine gives it. */
function within<T>(ms: number, run: () => T): T {
  for (let wallMs = ms; ; wallMs *= 2) {
    const before = process.threadCpuUsage();
    try {
      return interrupted(wallMs, run);
    } catch (error) {
      const { user, system } = process.threadCpuUsage(before);
      if (!isTimeout(error) || user + system > (ms * 1000) / 2 || wallMs > MOST_TURNS * ms) throw error;
    }
  }
}

/** Only a script can be interrupted in the middle of a step. */
function interrupted<T>(ms: number, run: () => T): T {
  let result: T | undefined;
  empty.run = () => {
    result = run();
  };
  try {
    runInContext('run()', empty, { timeout: ms });
    return result as T;
  } finally {
    delete empty.run;
  }
}

const isTimeout = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';

function why(error: unknown): string {
  if (isTimeout(error)) return 'it takes too long';
  if (error instanceof RangeError) return 'it is nested too deep, or goes round without an end';
  return (
    String((error as Error).message)
      .split('\n')[0]
      ?.slice(0, 500) ?? ''
  );
}

function sentence({ instancePath, message = 'does not fit', params, keyword }: ErrorObject): string {
  const where = instancePath === '' ? 'the output' : `the output's ${instancePath}`;
  const named = keyword === 'additionalProperties' ? `: ${String(params.additionalProperty)}` : '';
  return `${where} does not satisfy the schema: ${message}${named}`.slice(0, 1_000);
}
