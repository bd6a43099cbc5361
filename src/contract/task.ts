import { z } from 'zod';
import {
  DEPENDENCY_REACTIONS,
  EXECUTION_MODES,
  FAILURE_CLASSES,
  OUTCOMES,
  PRIORITY_NAMES,
  type PriorityName,
  SANDBOXES,
  STATUSES,
} from '../domain/task.ts';
import { agentId, id, json, labels, listOf, pageQuery, processIdentity, reason, text, time } from './common.ts';

export const status = z.enum(STATUSES);
export const executionMode = z.enum(EXECUTION_MODES);
export const outcome = z.enum(OUTCOMES);
export const failureClass = z.enum(FAILURE_CLASSES);
const priorityNames = Object.keys(PRIORITY_NAMES) as [PriorityName, ...PriorityName[]];
export const priority = z.union(
  [z.int().min(0).max(10), z.enum(priorityNames)],
  `must be a whole number from 0 to 10, or one of ${priorityNames.join(', ')}`,
);

export const progress = z.object({
  percent: z.number().nullable(),
  message: z.string().nullable(),
  at: z.string(),
});

export const limits = z.object({
  cpu_percent: z.number().nullable(),
  memory_bytes: z.number().nullable(),
  processes: z.number().nullable(),
  file_size_bytes: z.number().nullable(),
  cost_usd: z.number().nullable(),
});

export const source = z.object({
  forge: z.string(),
  repository: z.string(),
  kind: z.enum(['issue', 'pull_request', 'push', 'release']),
  number: z.int().nullable(),
  event: z.string(),
  sender: z.string(),
  url: z.string().nullable(),
  ref: z.string().nullable(),
  sha: z.string().nullable(),
  delivery_id: z.string().nullable(),
});

/** The attempt as it stands in a task: the current one, or the last. */
const taskAttempt = z.object({
  id,
  number: z.int(),
  agent_id: z.string(),
  lease_expires_at: z.string().nullable(),
  started_at: z.string().nullable(),
  process: processIdentity.nullable(),
  contact: z.object({ state: z.enum(['ok', 'unreachable']), since: z.string() }).nullable(),
  progress: progress.nullable(),
});

export const result = z.object({
  outcome,
  exit_code: z.int().nullable(),
  failure_class: failureClass.nullable(),
  error: z.string().nullable(),
  summary: z.string().nullable(),
  output: json(),
  attempt_id: id,
});

export const secretValue = z.strictObject({ secret: text().min(1).max(200) });
const environmentValue = z.union([z.string(), secretValue]);

export const task = z
  .object({
    id,
    title: z.string(),
    body: z.string().nullable(),
    status,
    execution_mode: executionMode,
    requested_mode: executionMode,
    priority: z.int(),
    version: z.int(),
    created_by: z.object({ kind: z.enum(['coordinator', 'forge', 'schedule']), id: z.string(), name: z.string() }),
    template: z.string().nullable(),
    command: z.array(z.string()),
    input: z.string().nullable(),
    input_base64: z.string().nullable(),
    environment: z.record(z.string(), environmentValue),
    requires: z.array(z.string()),
    timeout_seconds: z.int(),
    preemptible: z.boolean(),
    repeatable: z.boolean(),
    limits,
    sandbox: z.enum(SANDBOXES),
    output_schema: json(),
    source: source.nullable(),
    repository: z.string().nullable(),
    named_agent_id: z.string().nullable(),
    assigned_agent_id: z.string().nullable(),
    assigned_at: z.string().nullable(),
    attempt: taskAttempt.nullable(),
    run_after: z.string().nullable(),
    depends_on: z.array(id),
    unmet_dependencies: z.int(),
    on_dependency_failure: z.enum(DEPENDENCY_REACTIONS),
    requires_approval: z.boolean(),
    approved_at: z.string().nullable(),
    concurrency_key: z.string().nullable(),
    max_retries: z.int(),
    retries: z.int(),
    max_infra_retries: z.int(),
    infra_retries: z.int(),
    retry_delay_seconds: z.int(),
    cancel_requested: z.boolean(),
    cancel_reason: z.string().nullable(),
    waiting_reason: z.string().nullable(),
    result: result.nullable(),
    created_at: z.string(),
    updated_at: z.string(),
    finished_at: z.string().nullable(),
  })
  .meta({ id: 'Task' });
export type Task = z.infer<typeof task>;
export const taskList = listOf(task);

export const title = text().min(1).max(500);

const listOfWords = <T extends string>(words: readonly [T, ...T[]]) =>
  z
    .string()
    .transform((value) => value.split(','))
    .pipe(z.array(z.enum(words)));

export const tasksQuery = z.strictObject({
  ...pageQuery,
  status: listOfWords(STATUSES)
    .optional()
    .meta({ description: `Some of ${STATUSES.join(', ')}, with commas` }),
  execution_mode: listOfWords(EXECUTION_MODES)
    .optional()
    .meta({ description: `Some of ${EXECUTION_MODES.join(', ')}, with commas` }),
  agent_id: agentId.optional(),
  repository: text().max(255).optional(),
  template: text().max(100).optional(),
  label: text().max(64).optional(),
  q: text().max(200).optional().meta({ description: 'Words of the title' }),
  created_after: time.optional(),
  created_before: time.optional(),
  sort: z.enum(['created', 'rank']).optional(),
});

export const assign = z.strictObject({
  agent_id: agentId,
  execution_mode: z.enum(['ssh_cli', 'http_pull']).optional(),
});
export const cancel = z.strictObject({
  reason: reason.optional(),
  force: z.boolean().optional().meta({ description: 'End it although its host is out of reach; not while it answers' }),
});
/** For calls that say everything by their address. */
export const nothing = z.strictObject({});

/** What may be changed of a pending task. */
export const patchTask = z.strictObject({
  title: title.optional(),
  priority: priority.optional(),
  run_after: time.nullable().optional(),
  requires: labels.optional(),
});
