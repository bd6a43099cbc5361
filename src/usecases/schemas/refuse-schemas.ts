import { invalidField } from '../../domain/errors.ts';
import type { NewTask } from '../../domain/task.ts';
import type { SchemaJudge } from './judge.ts';

/** Throws `invalid` for the first of these tasks whose output no schema could judge, as `fail` says it of that task. */
export async function refuseSchemas(
  schemas: SchemaJudge,
  tasks: readonly Pick<NewTask, 'outputSchema'>[],
  fail: (error: unknown, at: number) => unknown,
): Promise<void> {
  for (const [at, { outputSchema }] of tasks.entries()) {
    if (outputSchema === null) continue;
    const fault = await schemas.faultOf(outputSchema);
    if (fault !== null) throw fail(invalidField('output_schema', fault), at);
  }
}
