import { parentPort } from 'node:worker_threads';
import type { Json } from '../../domain/canonical-json.ts';
import { checkOutput, checkSchema, SchemaError } from '../../domain/output-schema.ts';

/** Without an output: whether the schema can be used at all. */
export type Question = { id: number; schema: Json; output?: Json };
/** `fault`: why not; null: nothing is wrong. */
export type Answer = { id: number; fault: string | null };

parentPort?.on('message', ({ id, schema, output }: Question) => {
  const fault = output === undefined ? faultOf(schema) : checkOutput(schema, output);
  parentPort?.postMessage({ id, fault } satisfies Answer);
});

function faultOf(schema: Json): string | null {
  try {
    checkSchema(schema);
    return null;
  } catch (error) {
    if (error instanceof SchemaError) return error.message;
    throw error;
  }
}
