import type { Attempt } from '../contract/attempt.ts';
import type { Task } from '../contract/task.ts';
import type { Api } from './api.ts';
import { DemoError } from './errors.ts';
import { followLines } from './live-log.ts';
import { endOf, sentenceOf } from './narrate.ts';
import type { Teller } from './teller.ts';
import { pause } from './until.ts';

export type Story = { api: Api; teller: Teller; signal: AbortSignal };

export type Watched = { task: Task; attempts: Attempt[] };

const LOOK_MS = 80;
const DEADLINE_MS = 90_000;

/**
 * Tells what becomes of a task while it happens: each event, each line that it prints, its end. `told` events were told
 * before; `onLine` hears of each line.
 */
export async function watchTask(story: Story, taskId: string, told: number, onLine = () => {}): Promise<Watched> {
  const { api, signal } = story;
  const late = AbortSignal.timeout(DEADLINE_MS);
  let seen: string | null = null;
  for (let next = told; ; ) {
    const task = await api.task(taskId);
    next = await tellEvents(story, taskId, next);
    if (task.attempt !== null && task.attempt.id !== seen) {
      seen = task.attempt.id;
      await tellLines(story, seen, AbortSignal.any([signal, late]), onLine);
    } else if (task.finished_at !== null) {
      return tellEnd(story, task);
    }
    if (late.aborted) throw stuck(task);
    await pause(LOOK_MS, signal);
  }
}

/** Until the end of the log, or until the signal fires. */
async function tellLines({ api, teller }: Story, attemptId: string, signal: AbortSignal, onLine: () => void) {
  const tell = (line: string) => {
    teller.live(line);
    onLine();
  };
  await followLines(api, attemptId, signal, tell).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** Tells the events after the first `told`; answers how many there are by now. */
export async function tellEvents({ api, teller }: Story, taskId: string, told: number): Promise<number> {
  const events = await api.events(taskId);
  if (events.length === told) return told;
  const known = { task: await api.task(taskId), agents: await api.agents(), events };
  for (const event of events.slice(told)) {
    const text = sentenceOf(event, known);
    if (text !== null) teller.say(text);
  }
  return events.length;
}

async function tellEnd({ api, teller }: Story, task: Task): Promise<Watched> {
  const attempts = await api.attempts(task.id);
  const good = task.status === 'completed';
  teller.say(endOf(task, attempts, await api.agents()), good ? 'green' : 'red');
  if (!good) throw new DemoError(`the task “${task.title}” should have completed, and is ${task.status}`);
  return { task, attempts };
}

const stuck = ({ title, status, waiting_reason }: Task): DemoError =>
  new DemoError(
    `the task “${title}” did not end within ${DEADLINE_MS / 1000} s: it is ${status} (${waiting_reason ?? 'no reason'})`,
  );
