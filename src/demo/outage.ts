import type { Agent } from '../contract/agent.ts';
import type { Task } from '../contract/task.ts';
import { HOST } from './configuration.ts';
import { recording } from './deliveries.ts';
import type { DemoHost } from './demo-host.ts';
import { DemoError } from './errors.ts';
import { receiveTask } from './receive.ts';
import { CREATED } from './scenes.ts';
import { pause, until } from './until.ts';
import { type Story, type Watched, watchTask } from './watch-task.ts';

/** Lines that the task prints before its host goes. */
const LINES_BEFORE = 6;
/** The task prints on alone for at least so long. */
const ALONE_MS = 1_500;

/** A delivery whose host is stopped while the task prints, and comes back. */
export async function hostComesBack(story: Story, host: DemoHost): Promise<void> {
  const { teller } = story;
  teller.title('4. The host is stopped in the middle of a task, and comes back');
  const taskId = await receiveTask(story, recording('106-pull_request_comment-created'));
  let lines = 0;
  const [watched, before] = await Promise.all([
    watchTask(story, taskId, CREATED, () => {
      lines += 1;
    }),
    stopAndStart(story, host, taskId, () => lines),
  ]);
  teller.say(await proof(story, watched, before));
}

/** Answers the task as it was while its host was away. */
async function stopAndStart(story: Story, host: DemoHost, taskId: string, lines: () => number): Promise<Task> {
  const { api, teller, signal } = story;
  await until('the first lines of the task', () => (lines() < LINES_BEFORE ? null : true), {
    withinMs: 60_000,
    signal,
  });
  teller.say("Now the host's SSH server is taken away, with all its sessions.", 'yellow');
  await host.vanish();
  const gone = await seen(story, (agent) => !agent.online);
  const task = await api.task(taskId);
  teller.say(
    `The server sees ${gone.name} ${gone.state} (${gone.state_reason?.message ?? 'no reason'}). The task stays ` +
      `${task.status}, attempt ${task.attempt?.number}: it is given to nobody else.`,
  );
  await pause(ALONE_MS, signal);
  teller.say("The host's SSH server is started again.", 'yellow');
  await host.comeBack();
  const back = await seen(story, (agent) => agent.online);
  teller.say(`The server sees ${back.name} ${back.state}, and takes up the log where it broke off:`);
  return task;
}

const seen = ({ api, signal }: Story, state: (agent: Agent) => boolean): Promise<Agent> =>
  until(
    `a change of ${HOST}'s state`,
    async () => (await api.agents()).find((agent) => agent.name === HOST && state(agent)) ?? null,
    { withinMs: 30_000, signal },
  );

/** What the server has of it now must be whole, and of one attempt. */
async function proof({ api }: Story, { task, attempts }: Watched, before: Task): Promise<string> {
  const [attempt, second] = attempts;
  if (attempt === undefined || second !== undefined || attempt.id !== before.attempt?.id) {
    throw new DemoError(`it took ${attempts.length} attempts, not one`);
  }
  const log = await api.log(attempt.id);
  const numbers = numbersIn(log.text);
  if (!log.complete || log.leftOut > 0 || Buffer.byteLength(log.text) !== log.bytes || !isWhole(numbers)) {
    throw new DemoError(`the log is not whole: ${log.bytes} bytes, lines ${numbers.map(({ n }) => n).join(' ')}`);
  }
  return (
    `Read back: attempts ${attempts.length}, process ${before.attempt.process?.pid} before and ${attempt.process?.pid} after, log whole with ` +
    `${log.bytes} bytes and the lines 1 to ${numbers.length}, each once; exit code ${task.result?.exit_code}.`
  );
}

type Numbered = { n: number; of: number };

/** The lines that end with `N of M`. */
export const numbersIn = (text: string): Numbered[] =>
  [...text.matchAll(/ (\d+) of (\d+)$/gm)].map(([, n, of]) => ({ n: Number(n), of: Number(of) }));

export const isWhole = (numbers: readonly Numbered[]): boolean =>
  numbers.length > 0 && numbers.every(({ n, of }, at) => n === at + 1 && of === numbers.length);
