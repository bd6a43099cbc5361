import type { NewTask, Task } from '../../src/domain/task.ts';
import { completeAttempt } from '../../src/usecases/attempt/complete-attempt.ts';
import { renewAttempt } from '../../src/usecases/attempt/renew-attempt.ts';
import { startAttempt } from '../../src/usecases/attempt/start-attempt.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { writeLog } from '../../src/usecases/log/write-log.ts';
import { dequeue } from './dequeue.ts';
import { addAgent, alice, newTask } from './tasks.ts';

type End = Parameters<typeof completeAttempt>[3];

/** A task that is being worked on by an agent of its own, which the test plays. */
export type WorkedTask = {
  task: Task;
  attemptId(): string;
  /** Takes it, the first time or again. */
  take(): Promise<void>;
  start(): Promise<void>;
  print(text: string | Uint8Array, stream?: 'stdout' | 'stderr'): Promise<void>;
  /** As if the agent had left out so many bytes. */
  leaveOut(bytes: number): void;
  progress(percent: number, message: string): Promise<void>;
  end(result: End): Promise<void>;
};

let agents = 0;

export async function workOn(deps: Deps, changes: Partial<NewTask> = {}): Promise<WorkedTask> {
  agents += 1;
  const [agentId, label] = [`agent-${agents}`, `of-${agents}`];
  await addAgent(deps.db, agentId, { labels: [label] });
  const task = await createTask(deps, alice, newTask({ requires: [label], ...changes }));
  const holder = { kind: 'agent', agentId, attemptId: null } as const;
  const written = { stdout: 0, stderr: 0 };
  let attemptId = '';
  let gap = false;
  return {
    task,
    attemptId: () => attemptId,
    async take() {
      const asked = { maxTasks: 1, waitSeconds: 10, requestId: null };
      const [taken] = await dequeue(deps, agentId, asked, new AbortController().signal);
      if (taken === undefined) throw new Error('there was nothing to take');
      attemptId = taken.attempt.id;
      written.stdout = 0;
      written.stderr = 0;
    },
    start: async () => void (await startAttempt(deps, holder, attemptId, { pid: 4711, startedAt: 'x', bootId: 'y' })),
    async print(text, stream = 'stdout') {
      const bytes = Buffer.from(text as string);
      await writeLog(deps, holder, attemptId, stream, { offset: written[stream], bytes, gap });
      written[stream] += bytes.length;
      gap = false;
    },
    leaveOut(bytes) {
      written.stdout += bytes;
      gap = true;
    },
    progress: async (percent, message) => void (await renewAttempt(deps, holder, attemptId, { percent, message })),
    async end(result) {
      await completeAttempt(deps, holder, attemptId, result, { hash: JSON.stringify(result) });
    },
  };
}
