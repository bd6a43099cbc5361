import { z } from 'zod';
import { inUtc, labels, text } from '../contract/common.ts';
import { type CreateTask, command, createTask, environment, limitsOf } from '../contract/new-task.ts';
import { priorityNumber } from '../domain/task.ts';

/*
 * The parts of the configuration file that say what deliveries become: forges, templates, rules. Keys stand in the file
 * in snake_case; what is read has the names that the code uses. Unknown keys are refused.
 */

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const LOGIN = '[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?';
const REPOSITORY_PART = '(?:\\*|[A-Za-z0-9._-]+)';

const name = z.string().regex(NAME, 'must be a name of 1–64 letters, digits, dots, dashes and underscores');
const login = z.string().regex(new RegExp(`^${LOGIN}$`), 'must be a login');
const trustedSender = z
  .string()
  .regex(new RegExp(`^${LOGIN}(?:@[A-Za-z0-9._-]+/[A-Za-z0-9._-]+)?$`), 'must be `login` or `login@owner/name`');
const repositoryPattern = z
  .string()
  .regex(
    new RegExp(`^(?:${REPOSITORY_PART}:)?${REPOSITORY_PART}/${REPOSITORY_PART}$`),
    'must be `owner/name` or `forge:owner/name`; `*` stands for a whole part',
  );

const forgeUrl = z
  .string()
  .refine(isPlainUrl, 'must be an http or https address without user, query or fragment')
  .transform((value) => value.replace(/\/+$/, ''));

function isPlainUrl(value: string): boolean {
  const url = URL.parse(value);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return false;
  return url.username === '' && url.password === '' && url.search === '' && url.hash === '';
}

/** One forge, its secrets already resolved. `bot` is the login that the server acts as: what it does starts nothing. */
export const forgeSchema = z
  .strictObject({
    name,
    url: forgeUrl,
    webhook_secrets: z
      .array(z.string().min(1, 'must not be empty').meta({ secret: true }))
      .min(1, 'must have a secret: without one no delivery is accepted'),
    trusted_senders: z.array(trustedSender).default([]),
    bot: login.optional(),
  })
  .transform((value) => ({
    name: value.name,
    url: value.url,
    webhookSecrets: value.webhook_secrets,
    trustedSenders: value.trusted_senders,
    bot: value.bot ?? null,
  }));

/** A value that tasks of certain templates, and of certain repositories, may name in their environment. */
export const secretSchema = z.strictObject({
  value: text()
    .min(1, 'must not be empty')
    .refine((value) => Buffer.byteLength(value) <= 100 * 1024, 'must be at most 100 KiB')
    .meta({ secret: true }),
  templates: z.array(name).min(1, 'must name a template: nothing else may use the secret'),
  repositories: z.array(repositoryPattern).optional(),
});
export const secretsSchema = z.record(
  z.string().regex(NAME, 'must be of 1–64 letters, digits, dots, dashes and underscores'),
  secretSchema,
);

const conditions = {
  template: name.optional(),
  forge: name.optional(),
  repository: repositoryPattern.optional(),
  sender: login.optional(),
};
type Conditions = z.output<z.ZodObject<typeof conditions>>;
const conditionsOf = (value: Conditions) => ({
  template: value.template ?? null,
  forge: value.forge ?? null,
  repository: value.repository ?? null,
  sender: value.sender ?? null,
});

const labelRule = z
  .strictObject({ on: z.literal('issue_label'), label: z.string().min(1).max(255), ...conditions })
  .transform((value) => ({ on: value.on, label: value.label, ...conditionsOf(value) }));
const commentRule = z
  .strictObject({ on: z.literal('comment'), command: z.literal('run').default('run'), ...conditions })
  .transform((value) => ({ on: value.on, command: value.command, ...conditionsOf(value) }));

/** What makes a task of an event, and of which template; null in a condition: any. */
export const ruleSchema = z.discriminatedUnion('on', [labelRule, commentRule]);

const variable = z.strictObject({
  default: z.union([text(), z.number(), z.boolean()]).optional(),
  description: z.string().max(500).optional(),
});
const variableName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, 'must be a name of letters, digits and _, the first a letter');

const { id: _id, title: _title, template: _template, variables: _variables, ...askable } = createTask.shape;

/**
 * The recipe of a task: everything that a request may ask, but its title. What is left out is null: what a request asks
 * for, else the server's default.
 */
export const templateSchema = z
  .strictObject({
    name,
    description: z.string().max(1_000).optional(),
    ...askable,
    command,
    environment: environment.default({}),
    requires: labels.default([]),
    variables: z.record(variableName, variable).default({}),
  })
  .refine((value) => value.input_base64 === undefined || (value.input ?? null) === null, {
    path: ['input_base64'],
    message: 'stands in place of input; give one of both',
  })
  .transform((value) => ({
    name: value.name,
    description: value.description ?? null,
    command: value.command,
    input: value.input ?? null,
    environment: value.environment,
    requires: value.requires,
    variables: value.variables,
    settings: settingsOf(value),
  }));

const settingsOf = (value: Omit<CreateTask, 'title' | 'variables'>) => ({
  body: value.body ?? null,
  inputBytes: value.input_base64 === undefined ? null : Buffer.from(value.input_base64, 'base64'),
  priority: value.priority === undefined ? null : priorityNumber(value.priority),
  executionMode: value.execution_mode ?? null,
  agentId: value.agent_id ?? null,
  timeoutSeconds: value.timeout_seconds ?? null,
  runAfter: value.run_after === undefined || value.run_after === null ? null : inUtc(value.run_after),
  dependsOn: value.depends_on ?? null,
  onDependencyFailure: value.on_dependency_failure ?? null,
  requiresApproval: value.requires_approval ?? null,
  concurrencyKey: value.concurrency_key ?? null,
  maxRetries: value.max_retries ?? null,
  maxInfraRetries: value.max_infra_retries ?? null,
  retryDelaySeconds: value.retry_delay_seconds ?? null,
  preemptible: value.preemptible ?? null,
  repeatable: value.repeatable ?? null,
  limits: value.limits === undefined ? null : limitsOf(value.limits),
  sandbox: value.sandbox ?? null,
  outputSchema: value.output_schema ?? null,
  repository: value.repository ?? null,
});

/** Of secrets, by name, what templates must fit to. */
export type SecretDefinitions = Readonly<Record<string, { readonly templates: readonly string[] }>>;
export type Forge = z.output<typeof forgeSchema>;
export type Rule = z.output<typeof ruleSchema>;
export type TemplateDefinition = z.output<typeof templateSchema>;
export type TemplateSettings = TemplateDefinition['settings'];

/** What holds when the file has no `rules`; an empty list there switches them off. */
export const DEFAULT_RULES: readonly Rule[] = [
  { on: 'issue_label', label: 'agent:run', template: null, forge: null, repository: null, sender: null },
  { on: 'comment', command: 'run', template: null, forge: null, repository: null, sender: null },
];
