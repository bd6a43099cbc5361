import type { Result } from '../domain/attempt.ts';
import { checkOutput } from '../domain/output-schema.ts';
import { hideInJson, hideInText } from '../domain/redact.ts';
import { valuesOf } from '../domain/secrets.ts';
import type { TaskRow } from '../store/schema.ts';
import type { Deps } from './deps.ts';
import type { ProgressReport } from './renew-attempt.ts';

/**
 * What a holder said of an attempt as it may be stored: without the secrets that the task was given, and a success whose
 * output doesn't fit the task's schema is none.
 */
export function storableResult(
  deps: Pick<Deps, 'secrets'>,
  task: Pick<TaskRow, 'environment' | 'output_schema'>,
  given: Result,
): Result {
  const secrets = valuesOf(deps.secrets, task.environment);
  const hide = (text: string | null) => text && hideInText(text, secrets);
  const { error, summary, output } = given;
  const result = { ...given, error: hide(error), summary: hide(summary), output: hideInJson(output, secrets) };
  if (result.outcome !== 'completed' || task.output_schema === null) return result;
  const misfit = checkOutput(task.output_schema as Parameters<typeof checkOutput>[0], output);
  return misfit === null ? result : { ...result, outcome: 'failed', failureClass: 'output', error: hide(misfit) };
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
