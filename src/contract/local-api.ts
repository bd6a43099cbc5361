import { z } from 'zod';
import { machineMetrics } from './agent.ts';

/* What a pull agent answers on its own machine, to `taskejo agent status` and the like. */

const localPing = z.object({ status: z.literal('ok'), version: z.string(), pid: z.int() });
export type LocalPing = z.infer<typeof localPing>;

export const systemInfo = z.object({
  agent_id: z.string().nullable(),
  name: z.string(),
  version: z.string(),
  pid: z.int(),
  started_at: z.string(),
  server: z.object({ url: z.string(), online: z.boolean() }),
  labels: z.array(z.string()),
  capacity: z.int(),
  state_dir: z.string(),
  work_dir: z.string(),
  limits: z.array(z.string()),
  sandboxes: z.array(z.string()),
  sandbox: z.string(),
  policy: z.object({ allowed_commands: z.array(z.string()), denied_patterns: z.array(z.string()) }),
  machine: z.object({ name: z.string(), system: z.string(), architecture: z.string(), processors: z.int() }),
  metrics: machineMetrics,
});
export type SystemInfo = z.infer<typeof systemInfo>;

export const queueStatus = z.object({
  running: z.int(),
  places: z.int(),
  draining: z.boolean(),
  draining_reason: z.string().nullable(),
});
export type QueueStatus = z.infer<typeof queueStatus>;

export const localTask = z.object({
  attempt_id: z.string(),
  task_id: z.string(),
  /** `assigned`, `running`, or how it ended where the server has not been told yet. */
  status: z.string(),
  pid: z.int().nullable(),
  started_at: z.string().nullable(),
});
export type LocalTask = z.infer<typeof localTask>;
export const localTasks = z.object({ items: z.array(localTask) });

const localTaskDetail = localTask.extend({
  number: z.int(),
  command: z.array(z.string()),
  timeout_seconds: z.number(),
  sandbox: z.string(),
  machine_state: z.string(),
  stdout_bytes: z.int(),
  stderr_bytes: z.int(),
  progress: z.string().nullable(),
});
export type LocalTaskDetail = z.infer<typeof localTaskDetail>;

export const cleanup = z.object({
  dry_run: z.boolean(),
  items: z.array(z.object({ attempt_id: z.string(), bytes: z.int() })),
  bytes: z.int(),
});
export type Cleanup = z.infer<typeof cleanup>;

export const left = z.object({ agent_id: z.string().nullable(), stopped: z.int() });
export type Left = z.infer<typeof left>;
