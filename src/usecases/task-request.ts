import type { Json } from '../domain/canonical-json.ts';
import { AppError, invalidField } from '../domain/errors.ts';
import { checkSchema, SchemaError } from '../domain/output-schema.ts';
import { refusedSecret, type Secrets } from '../domain/secrets.ts';
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
} from '../domain/task.ts';
import { EMPTY_CONTEXT } from '../forgejo/template-context.ts';
import { type CompiledTemplate, type RenderedTemplate, renderTemplate, TemplateError } from '../forgejo/templates.ts';
import type { Settings } from './deps.ts';

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
 * for secrets that are not for this task.
 */
export function taskOf(defaults: TaskDefaults, request: TaskRequest, createdBy: Creator): NewTask {
  const task = filledIn(defaults, request, createdBy);
  if (task.outputSchema !== null) refuseSchema(task.outputSchema);
  const refused = refusedSecret(defaults.secrets, task);
  if (refused === null) return task;
  // A template's own secrets are its to use, as the configuration was checked: there it is the repository.
  const asked = request.environment !== undefined && Object.hasOwn(request.environment, refused.name);
  throw invalidField(asked ? `environment.${refused.name}` : 'repository', refused.reason);
}

function filledIn({ settings, templates }: TaskDefaults, request: TaskRequest, createdBy: Creator): NewTask {
  const base = request.template === undefined ? null : fill(templates, request.template, request.variables ?? {});
  return {
    id: request.id ?? null,
    title: request.title,
    body: request.body ?? null,
    template: base?.template ?? null,
    command: request.command ?? base?.command ?? [],
    input: request.inputBytes ? null : request.input === undefined ? (base?.input ?? null) : request.input,
    inputBytes: request.inputBytes ?? null,
    environment: { ...base?.environment, ...request.environment },
    requires: [...new Set([...(base?.requires ?? []), ...(request.requires ?? [])])],
    priority: request.priority ?? base?.priority ?? DEFAULT_PRIORITY,
    executionMode: request.executionMode ?? base?.executionMode ?? 'undecided',
    namedAgentId: request.agentId ?? null,
    timeoutSeconds: request.timeoutSeconds ?? base?.timeoutSeconds ?? settings.execution.timeoutSeconds,
    runAfter: request.runAfter ?? null,
    limits: request.limits ?? NO_LIMITS,
    sandbox: request.sandbox ?? 'none',
    outputSchema: request.outputSchema ?? null,
    dependsOn: [...new Set(request.dependsOn ?? [])],
    onDependencyFailure: request.onDependencyFailure ?? 'cancel',
    requiresApproval: request.requiresApproval ?? false,
    concurrencyKey: request.concurrencyKey ?? null,
    maxRetries: request.maxRetries ?? base?.maxRetries ?? 0,
    maxInfraRetries: request.maxInfraRetries ?? base?.maxInfraRetries ?? 3,
    retryDelaySeconds: request.retryDelaySeconds ?? base?.retryDelaySeconds ?? 60,
    preemptible: request.preemptible ?? base?.preemptible ?? true,
    repeatable: request.repeatable ?? base?.repeatable ?? true,
    repository: request.repository ?? null,
    source: null,
    deliveryId: null,
    createdBy,
  };
}

function refuseSchema(schema: Json): void {
  try {
    checkSchema(schema);
  } catch (error) {
    if (error instanceof SchemaError) throw invalidField('output_schema', error.message);
    throw error;
  }
}

function fill(
  templates: readonly CompiledTemplate[],
  name: string,
  variables: Readonly<Record<string, string | number | boolean>>,
): RenderedTemplate {
  const template = templates.find((one) => one.name === name);
  if (template === undefined) throw new AppError('unknown_template', `There is no template ${name}.`);
  try {
    return renderTemplate(template, EMPTY_CONTEXT, variables);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw invalidField(error.path.join('.') || 'template', error.message);
  }
}
