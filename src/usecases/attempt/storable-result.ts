import type { ProgressReport, Result } from '../../domain/attempt.ts';
import type { Json } from '../../domain/canonical-json.ts';
import { hideInJson, hideInText } from '../../domain/redact.ts';
import { valuesOf } from '../../domain/secrets.ts';
import { type ResultTerms, resultTermsOf } from '../../store/attempts.ts';
import type { TaskRow } from '../../store/schema.ts';
import type { Deps } from '../deps.ts';

/** What is said of an attempt. `judge`: it is still to be judged by the schema of its task, and so may become another. */
export type Storable<T> = { said: T; judge: (() => Promise<T>) | null };

/**
 * What a holder said of an attempt as it may be stored: without the secrets that the task was given, and a success whose
 * output doesn't fit the task's schema is none.
 */
function storableResult<T extends { result: Result }>(
  deps: Pick<Deps, 'secrets' | 'schemas'>,
  task: ResultTerms,
  one: T,
): Storable<T> {
  const secrets = valuesOf(deps.secrets, task.environment);
  const hide = (text: string | null) => text && hideInText(text, secrets);
  const { error, summary, output } = one.result;
  const result = { ...one.result, error: hide(error), summary: hide(summary), output: hideInJson(output, secrets) };
  const said = { ...one, result };
  const schema = task.output_schema as Json;
  if (result.outcome !== 'completed' || schema === null) return { said, judge: null };
  const judge = async () => {
    const misfit = await deps.schemas.misfit(schema, output);
    if (misfit === null) return said;
    return { ...one, result: { ...result, outcome: 'failed', failureClass: 'output', error: hide(misfit) } as Result };
  };
  return { said, judge };
}

/**
 * The same for what is said of several attempts, before anything is locked. What is said of an attempt that this database
 * doesn't know stays as it is.
 */
export async function storableResults<T extends { attemptId: string; result: Result }>(
  deps: Pick<Deps, 'hot' | 'fresh' | 'secrets' | 'schemas'>,
  said: readonly T[],
): Promise<Storable<T>[]> {
  const terms = await termsOf(
    deps,
    said.map(({ attemptId }) => attemptId),
  );
  return said.map((one) => {
    const own = terms.get(one.attemptId);
    return own === undefined ? { said: one, judge: null } : storableResult(deps, own, one);
  });
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
