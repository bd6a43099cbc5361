import { z } from 'zod';
import { DEPENDENCY_REACTIONS, type Limits, SANDBOXES } from '../domain/task.ts';
import { agentId, id, json, labels, SHELL_OWNED_NAME, text, time } from './common.ts';
import { executionMode, priority, secretValue, title } from './task.ts';

const KiB = 1024;
/** Names beside the shell's own that a shell or a loader gives a meaning: never taken from a task. */
const RESERVED_NAME = /^(?:PWD|OLDPWD|SHLVL|PATH|NODE_OPTIONS|GIT_.*|LD_.*|DYLD_.*|TASKEJO_.*)$/;
const isReserved = (name: string): boolean => SHELL_OWNED_NAME.test(name) || RESERVED_NAME.test(name);
const shortText = text().refine((value) => Buffer.byteLength(value) <= 100 * KiB, 'must be at most 100 KiB');
const environmentName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a name of letters, digits and _')
  .refine((name) => !isReserved(name), 'is a name that the shell, the loader or Taskejo owns');

const sizeOf = (all: Record<string, string | { secret: string }>): number =>
  Object.entries(all).reduce(
    (sum, [name, value]) => sum + name.length + Buffer.byteLength(typeof value === 'string' ? value : value.secret),
    0,
  );

export const environment = z
  .record(
    environmentName,
    z.union([shortText, secretValue], 'must be text of at most 100 KiB, or {"secret": a name of the configuration}'),
  )
  .refine((all) => Object.keys(all).length <= 100, 'must have at most 100 names')
  .refine((all) => sizeOf(all) <= 512 * KiB, 'must be at most 512 KiB together');

export const command = z
  .array(text())
  .min(1)
  .max(256)
  .refine((args) => args[0] !== '', 'must begin with the name of a program')
  .refine(
    (args) => args.reduce((sum, arg) => sum + Buffer.byteLength(arg), 0) <= 32 * KiB,
    'must be at most 32 KiB together',
  );

const largeText = text().refine((value) => Buffer.byteLength(value) <= 1024 * KiB, 'must be at most 1 MiB');

export const repository = z
  .string()
  .max(255)
  .regex(/^[A-Za-z0-9._-]+:[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+$/, 'must be forge:owner/name');

const wholeNumber = z.int().positive().nullable().optional();
/** What a new task may use; what is left out has no limit. */
const limitsAsked = z.strictObject({
  cpu_percent: wholeNumber,
  memory_bytes: wholeNumber,
  processes: wholeNumber,
  file_size_bytes: wholeNumber,
  cost_usd: z.number().positive().nullable().optional(),
});

type AskedLimits = z.infer<typeof limitsAsked>;
/** Limits from the names on the wire to those of the code. */
export const limitsOf = (asked: AskedLimits): Limits => ({
  cpuPercent: asked.cpu_percent ?? null,
  memoryBytes: asked.memory_bytes ?? null,
  processes: asked.processes ?? null,
  fileSizeBytes: asked.file_size_bytes ?? null,
  costUsd: asked.cost_usd ?? null,
});

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const inputBase64 = z
  .string()
  .regex(BASE64, 'must be base64 with its padding')
  .refine((value) => Buffer.byteLength(value, 'base64') <= 1024 * KiB, 'must be at most 1 MiB');

const UUIDV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const outputSchema = json()
  .refine((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'must be a JSON Schema')
  .refine((value) => JSON.stringify(value).length <= 64 * KiB, 'must be at most 64 KiB');

export const createTask = z
  .strictObject({
    id: z.string().regex(UUIDV7, 'must be a UUIDv7 in lower case').optional(),
    title,
    command: command.optional(),
    template: text().min(1).max(100).optional(),
    variables: z
      .record(z.string(), z.union([text(), z.number(), z.boolean()], 'must be text, a number, or true or false'))
      .optional(),
    body: largeText.nullable().optional(),
    input: largeText.nullable().optional(),
    input_base64: inputBase64.optional(),
    environment: environment.optional(),
    requires: labels.optional(),
    priority: priority.optional(),
    execution_mode: executionMode.optional(),
    agent_id: agentId.optional(),
    timeout_seconds: z.int().min(1).max(604_800).optional(),
    run_after: time.nullable().optional(),
    depends_on: z.array(id).max(100).optional(),
    on_dependency_failure: z.enum(DEPENDENCY_REACTIONS).optional(),
    requires_approval: z.boolean().optional(),
    concurrency_key: text().min(1).max(255).nullable().optional(),
    limits: limitsAsked.optional(),
    sandbox: z.enum(SANDBOXES).optional(),
    output_schema: outputSchema.nullable().optional(),
    max_retries: z.int().min(0).max(100).optional(),
    max_infra_retries: z.int().min(0).max(100).optional(),
    retry_delay_seconds: z.int().min(0).max(86_400).optional(),
    preemptible: z.boolean().optional(),
    repeatable: z.boolean().optional(),
    repository: repository.nullable().optional(),
  })
  .refine((create) => (create.command === undefined) !== (create.template === undefined), {
    path: ['command'],
    message: 'give command or template, one of both',
  })
  .refine((create) => create.variables === undefined || create.template !== undefined, {
    path: ['variables'],
    message: 'fill a template, and none is given',
  })
  .refine((create) => create.input_base64 === undefined || create.input === undefined || create.input === null, {
    path: ['input_base64'],
    message: 'stands in place of input; give one of both',
  });
/** One task, or so many that all of them are made or none. */
export const createTasks = z.union(
  [createTask, z.array(createTask).min(1).max(1000).superRefine(refuseTwins)],
  'must be a task, or a list of 1 to 1,000 tasks',
);

/** Of several tasks no two have the same id. */
function refuseTwins(tasks: readonly { id?: string | undefined }[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  tasks.forEach(({ id }, at) => {
    if (id !== undefined && seen.has(id))
      context.addIssue({ code: 'custom', path: [at, 'id'], message: 'stands twice' });
    if (id !== undefined) seen.add(id);
  });
}

export type CreateTask = z.infer<typeof createTask>;
