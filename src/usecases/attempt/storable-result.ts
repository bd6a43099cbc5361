import { setImmediate as others } from 'node:timers/promises';
import type { ProgressReport, Result } from '../../domain/attempt.ts';
import { checkOutput } from '../../domain/output-schema.ts';
import { hideInJson, hideInText } from '../../domain/redact.ts';
import { valuesOf } from '../../domain/secrets.ts';
import { type ResultTerms, resultTermsOf } from '../../store/attempts.ts';
import type { TaskRow } from '../../store/schema.ts';
import type { Deps } from '../deps.ts';

/**
 * What a holder said of an attempt as it may be stored: without the secrets that the task was given, and a success whose
 * output doesn't fit the task's schema is none.
 */
function storableResult(deps: Pick<Deps, 'secrets'>, task: ResultTerms, given: Result): Result {
  const secrets = valuesOf(deps.secrets, task.environment);
  const hide = (text: string | null) => text && hideInText(text, secrets);
  const { error, summary, output } = given;
  const result = { ...given, error: hide(error), summary: hide(summary), output: hideInJson(output, secrets) };
  if (result.outcome !== 'completed' || task.output_schema === null) return result;
  const misfit = checkOutput(task.output_schema as Parameters<typeof checkOutput>[0], output);
  return misfit === null ? result : { ...result, outcome: 'failed', failureClass: 'output', error: hide(misfit) };
}

/**
 * The same for what is said of several attempts. Before anything is locked, because a schema may take long to check; what
 * is said of an attempt that this database doesn't know stays as it is.
 */
export async function storableResults<T extends { attemptId: string; result: Result }>(
  deps: Pick<Deps, 'hot' | 'fresh' | 'secrets'>,
  said: readonly T[],
): Promise<T[]> {
  const terms = await termsOf(
    deps,
    said.map(({ attemptId }) => attemptId),
  );
  const storable: T[] = [];
  for (const one of said) {
    const own = terms.get(one.attemptId);
    storable.push(own === undefined ? one : { ...one, result: storableResult(deps, own, one.result) });
    if (own && own.output_schema !== null) await others();
  }
  return storable;
}

/** Of what this process gave out a moment ago it knows them. */
async function termsOf(
  { hot, fresh }: Pick<Deps, 'hot' | 'fresh'>,
  attemptIds: readonly string[],
): Promise<Map<string, ResultTerms>> {
  const known = attemptIds.flatMap((id) => {
    const terms = fresh.find(id);
    return terms === undefined ? [] : [[id, terms] as const];
  });
  const found = new Map<string, ResultTerms>(known);
  const read = await resultTermsOf(
    hot,
    attemptIds.filter((id) => !found.has(id)),
  );
  return new Map([...found, ...read]);
}

/** The same for what it says of how far it is. */
export function storableProgress(
  deps: Pick<Deps, 'secrets'>,
  { environment }: Pick<TaskRow, 'environment'>,
  given: ProgressReport,
): ProgressReport {
  const { message } = given;
  return { ...given, message: message && hideInText(message, valuesOf(deps.secrets, environment)) };
}
