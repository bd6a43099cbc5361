import type { SQLOutputValue } from 'node:sqlite';
import { z } from 'zod';
import type { Result } from '../domain/attempt.ts';
import type { ProcessIdentity } from '../domain/process.ts';
import { NO_LIMITS, SANDBOXES } from '../domain/task.ts';
import type { MachineStore } from '../executor/run-attempt.ts';
import { AgentError } from './exit.ts';
import { damaged } from './store-file.ts';

const amount = z.number().nullable();
const limits = z.object({
  cpuPercent: amount,
  memoryBytes: amount,
  processes: amount,
  fileSizeBytes: amount,
  costUsd: amount,
});

/** What is needed to run an attempt, as it was taken from the server. */
const takenTask = z.object({
  attemptId: z.string(),
  taskId: z.string(),
  number: z.number(),
  command: z.array(z.string()),
  input: z.string(),
  inputBase64: z.string().nullable().default(null),
  /** Without the task's own part: its secrets come with each start and are kept nowhere. */
  environment: z.record(z.string(), z.string()),
  limits: limits.default(NO_LIMITS),
  sandbox: z.enum(SANDBOXES).default('none'),
  timeoutSeconds: z.number(),
  renewSeconds: z.number(),
});
export type TakenTask = z.infer<typeof takenTask>;

const machineStore = z.object({ storeId: z.string(), bootId: z.string() }).nullable();
const processIdentity = z.object({ pid: z.number(), startedAt: z.string(), bootId: z.string() }).nullable();
const storedResult = z.custom<Result>((value) => typeof value === 'object' && value !== null && 'outcome' in value);

/** An attempt that the server has no result of yet, and how far it had come when that was last written. */
export type OpenAttempt = {
  task: TakenTask;
  machine: MachineStore | null;
  process: ProcessIdentity | null;
  result: Result | null;
};

/** A result that the server did not take, kept for a person. */
export type KeptResult = { attemptId: string; taskId: string; number: number; endedAt: string; result: Result };

type Row = Record<string, SQLOutputValue | undefined>;

const openAttempt = z.object({
  task: takenTask,
  machine: machineStore,
  process: processIdentity,
  result: storedResult.nullable(),
});

export const toOpenAttempt = (row: Row, path: string): OpenAttempt =>
  parse(openAttempt, row, path, { task: row.task, machine: row.machine, process: row.process, result: row.result });

export const toKeptResult = (row: Row, path: string): KeptResult => ({
  attemptId: String(row.attempt_id),
  taskId: String(row.task_id ?? ''),
  number: Number(row.number),
  endedAt: String(row.ended_at),
  result: parse(z.object({ result: storedResult }), row, path, { result: row.result }).result,
});

function parse<T>(schema: z.ZodType<T>, { attempt_id }: Row, path: string, texts: Row): T {
  const read = ([name, text]: [string, Row[string]]) => [name, typeof text === 'string' ? JSON.parse(text) : null];
  try {
    return schema.parse(Object.fromEntries(Object.entries(texts).map(read)));
  } catch (cause) {
    throw new AgentError(damaged(path, `attempt ${attempt_id} can't be read`), undefined, { cause });
  }
}
