import type { Json } from '../../domain/canonical-json.ts';
import { AppError, invalidField } from '../../domain/errors.ts';
import { refusedSecret, type Secrets } from '../../domain/secrets.ts';
import type { Settings } from '../../domain/settings.ts';
import {
  type Creator,
  DEFAULT_PRIORITY,
  type DependencyReaction,
  type Environment,
  type ExecutionMode,
  type Limits,
  type NewTask,
  NO_LIMITS,
  type Sandbox,
} from '../../domain/task.ts';
import { EMPTY_CONTEXT } from '../../forgejo/template-context.ts';
import {
  type CompiledTemplate,
  type RenderedTemplate as Recipe,
  renderTemplate,
  TemplateError,
} from '../../forgejo/templates.ts';

type Wish<T> = T | undefined;

/** What somebody asks of a new task. What is left open is the template's to say, then the server's. */
export type TaskRequest = {
  id: Wish<string>;
  title: string;
  /** The command, or the template that has it with values for its variables. */
  command: Wish<readonly string[]>;
  template: Wish<string>;
  variables: Wish<Readonly<Record<string, string | number | boolean>>>;
  body: Wish<string | null>;
  input: Wish<string | null>;
  inputBytes: Wish<Uint8Array>;
  environment: Wish<Environment>;
  limits: Wish<Limits>;
  sandbox: Wish<Sandbox>;
  outputSchema: Wish<Json>;
  requires: Wish<readonly string[]>;
  priority: Wish<number>;
  executionMode: Wish<ExecutionMode>;
  agentId: Wish<string>;
  timeoutSeconds: Wish<number>;
  runAfter: Wish<string | null>;
  dependsOn: Wish<readonly string[]>;
  onDependencyFailure: Wish<DependencyReaction>;
  requiresApproval: Wish<boolean>;
  concurrencyKey: Wish<string | null>;
  maxRetries: Wish<number>;
  maxInfraRetries: Wish<number>;
  retryDelaySeconds: Wish<number>;
  preemptible: Wish<boolean>;
  repeatable: Wish<boolean>;
  repository: Wish<string | null>;
};

export type TaskDefaults = { settings: Settings; secrets: Secrets; templates: readonly CompiledTemplate[] };

/**
 * The task that is asked for. Labels and environment of a template stay beside those asked for; everything else that
 * was asked stands in place of the template's. Throws `unknown_template`, and `invalid` for variables that don't fit and
 * for secrets that are not for this task. Whether a schema can be used is for `refuseSchemas` to say.
 */
export function taskOf(
  { settings, templates, secrets }: TaskDefaults,
  request: TaskRequest,
  createdBy: Creator,
): NewTask {
  const filled = request.template === undefined ? null : fill(templates, request.template, request.variables ?? {});
  const task = taskFrom(settings, filled, request, createdBy);
  const refused = refusedSecret(secrets, task);
  if (refused === null) return task;
  // A template's own secrets are its to use, as the configuration was checked: there it is the repository.
  const asked = request.environment !== undefined && Object.hasOwn(request.environment, refused.name);
  throw invalidField(asked ? `environment.${refused.name}` : 'repository', refused.reason);
}

type Said = Partial<TaskRequest> & Pick<TaskRequest, 'title'>;

/** What was said, else what the recipe says, else what holds without either. */
export const taskFrom = (settings: Settings, says: Recipe | null, said: Said, createdBy: Creator): NewTask => ({
  ...inputOf(said, says),
  id: said.id ?? null,
  title: said.title,
  template: says?.template ?? null,
  command: said.command ?? says?.command ?? [],
  environment: { ...says?.environment, ...said.environment },
  requires: [...new Set([...(says?.requires ?? []), ...(said.requires ?? [])])],
  body: first(said.body, says?.body, null),
  priority: first(said.priority, says?.priority, DEFAULT_PRIORITY),
  executionMode: first(said.executionMode, says?.executionMode, 'undecided'),
  namedAgentId: first(said.agentId, says?.agentId, null),
  timeoutSeconds: first(said.timeoutSeconds, says?.timeoutSeconds, settings.execution.timeoutSeconds),
  runAfter: first(said.runAfter, says?.runAfter, null),
  limits: first(said.limits, says?.limits, NO_LIMITS),
  sandbox: first(said.sandbox, says?.sandbox, 'none'),
  outputSchema: first(said.outputSchema, says?.outputSchema, null),
  dependsOn: [...new Set(first(said.dependsOn, says?.dependsOn, []))],
  onDependencyFailure: first(said.onDependencyFailure, says?.onDependencyFailure, 'cancel'),
  requiresApproval: first(said.requiresApproval, says?.requiresApproval, false),
  concurrencyKey: first(said.concurrencyKey, says?.concurrencyKey, null),
  maxRetries: first(said.maxRetries, says?.maxRetries, 0),
  maxInfraRetries: first(said.maxInfraRetries, says?.maxInfraRetries, 3),
  retryDelaySeconds: first(said.retryDelaySeconds, says?.retryDelaySeconds, 60),
  preemptible: first(said.preemptible, says?.preemptible, true),
  repeatable: first(said.repeatable, says?.repeatable, true),
  repository: first(said.repository, says?.repository, null),
  source: null,
  deliveryId: null,
  createdBy,
});

/** Null is something to say, too. */
const first = <T>(said: Wish<T>, ofRecipe: T | null | undefined, otherwise: T): T =>
  said !== undefined ? said : (ofRecipe ?? otherwise);

/** As text or as bytes: what was asked stands in place of the recipe's, whichever of both that is. */
function inputOf({ input, inputBytes }: Said, says: Recipe | null) {
  if (inputBytes !== undefined) return { input: null, inputBytes };
  if (input !== undefined) return { input, inputBytes: null };
  return { input: says?.input ?? null, inputBytes: says?.inputBytes ?? null };
}

function fill(
  templates: readonly CompiledTemplate[],
  name: string,
  variables: Readonly<Record<string, string | number | boolean>>,
): Recipe {
  const template = templates.find((one) => one.name === name);
  if (template === undefined) throw new AppError('unknown_template', `There is no template ${name}.`);
  try {
    return renderTemplate(template, EMPTY_CONTEXT, variables);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw invalidField(error.path.join('.') || 'template', error.message);
  }
}
