import { z } from 'zod';
import { AGENT_MODES, MAX_TASKS } from '../domain/task.ts';
import { id, json, listOf, processIdentity, text } from './common.ts';
import { failureClass, outcome, status, task } from './task.ts';

const streamSizes = z.object({
  bytes: z.int(),
  stored_bytes: z.int(),
  sha256: z.string().nullable(),
  truncated: z.boolean(),
});

export const attempt = z
  .object({
    id,
    task_id: id,
    number: z.int(),
    execution_mode: z.enum(AGENT_MODES),
    agent_id: z.string(),
    outcome: outcome.nullable(),
    failure_class: failureClass.nullable(),
    exit_code: z.int().nullable(),
    signal: z.string().nullable(),
    error: z.string().nullable(),
    proof: z.enum(['empty', 'left', 'unknown']).nullable(),
    left_processes: z.array(z.object({ pid: z.int(), command: z.string() })).nullable(),
    summary: z.string().nullable(),
    output: json(),
    usage: z.record(z.string(), z.number()).nullable(),
    process: processIdentity.nullable(),
    leased_at: z.string(),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
    stdout: streamSizes,
    stderr: streamSizes,
    branch: z.string().nullable(),
    pull_request: z.object({ number: z.int(), url: z.string() }).nullable(),
    patch_bytes: z.int().nullable(),
  })
  .meta({ id: 'Attempt' });
export type Attempt = z.infer<typeof attempt>;
export const attemptList = listOf(attempt);

const MAX_WAIT_SECONDS = 60;
export const dequeue = z.strictObject({
  max_tasks: z.int().min(1).max(MAX_TASKS).optional(),
  wait_seconds: z.int().min(0).max(MAX_WAIT_SECONDS).optional(),
  request_id: text().min(1).max(255).optional(),
});

/** What a taker gets with a task. `token` acts for this attempt and for nothing else. */
export const leasedAttempt = z.object({
  id,
  number: z.int(),
  lease_seconds: z.number(),
  renew_seconds: z.number(),
  lease_expires_at: z.string(),
  token: z.string(),
});
export const dequeued = z.object({
  tasks: z.array(task.extend({ attempt: leasedAttempt }).meta({ id: 'DequeuedTask' })),
});
export type DequeuedTask = z.infer<typeof dequeued>['tasks'][number];

export const start = z.strictObject({ process: processIdentity.optional() });
export const progressReport = z.strictObject({
  percent: z.number().min(0).max(100).nullable().optional(),
  message: text().max(1000).nullable().optional(),
});
export type ProgressReport = z.infer<typeof progressReport>;
export const renew = z.strictObject({ progress: progressReport.optional() });
export const renewed = z.object({
  lease_seconds: z.number(),
  lease_expires_at: z.string(),
  cancel_requested: z.boolean(),
  cancel_reason: z.string().nullable(),
  followed: z.boolean(),
});
export type Renewed = z.infer<typeof renewed>;

const MiB = 1024 * 1024;
const said = z.union(
  [
    z.strictObject({ text: text().refine((value) => Buffer.byteLength(value) <= MiB, 'must be at most 1 MiB') }),
    z.strictObject({
      bytes: z.int().min(0),
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
        .nullable()
        .optional(),
      truncated: z.boolean().optional(),
    }),
  ],
  'takes either text, or bytes and sha256 of what was streamed',
);

const result = z.strictObject({
  outcome: z.enum(['completed', 'failed', 'cancelled', 'released', 'lost']),
  exit_code: z.int().min(0).max(255).nullable().optional(),
  signal: text().max(20).nullable().optional(),
  error: text().max(2000).nullable().optional(),
  failure_class: failureClass.nullable().optional(),
  own_failure: z.boolean().optional().meta({
    description:
      'Of class `setup`: the machine itself is not in order (its disk, home or shell), whatever is asked of it',
  }),
  left_processes: z
    .array(z.strictObject({ pid: z.int().min(0), command: text().max(200) }))
    .max(1000)
    .nullable()
    .optional()
    .meta({ description: 'What could not be ended; empty: nothing is left of it, which was looked for' }),
  summary: text()
    .refine((value) => Buffer.byteLength(value) <= 64 * 1024, 'must be at most 64 KiB')
    .nullable()
    .optional(),
  output: json()
    .refine((value) => Buffer.byteLength(JSON.stringify(value) ?? '') <= MiB, 'must be at most 1 MiB')
    .nullable()
    .optional(),
  usage: z.record(z.string(), z.number()).nullable().optional(),
  stdout: said.optional(),
  stderr: said.optional(),
});

const consistent = <T extends z.ZodType<z.infer<typeof result>>>(body: T) =>
  body
    .refine(({ outcome, exit_code }) => outcome !== 'completed' || (exit_code ?? 0) === 0, {
      path: ['exit_code'],
      message: 'is not zero, so the outcome is not completed',
    })
    .refine(({ outcome, failure_class }) => outcome === 'failed' || (failure_class ?? null) === null, {
      path: ['failure_class'],
      message: 'belongs to the outcome failed',
    });

export const complete = consistent(result);
const MAX_COMPLETIONS = 100;
/** What is no result that can be taken, whatever it is. */
const unfit = z
  .looseObject({ attempt_id: id })
  .transform(({ attempt_id }) => ({ attempt_id, outcome: null }))
  .meta({ description: 'Anything else is refused alone, 422 `invalid`; the single call says what is wrong' });
/** Several attempts at once, each judged alone. */
export const completeMany = z.strictObject({
  items: z
    .array(z.union([consistent(result.extend({ attempt_id: id })), unfit]))
    .min(1)
    .max(MAX_COMPLETIONS),
});
export type CompleteItem = z.infer<typeof completeMany>['items'][number];
export const completedMany = z.object({
  items: z.array(
    z.object({
      attempt_id: id,
      status: z.int().meta({ description: 'As the single call would have answered' }),
      code: z.string().nullable(),
      task_status: status.nullable(),
    }),
  ),
});
export type Complete = z.infer<typeof complete>;
export const completed = z.object({ attempt_id: id, task_id: id, task_status: status });
export type Completed = z.infer<typeof completed>;

export const logWritten = z.object({ next_offset: z.int(), followed: z.boolean() });
