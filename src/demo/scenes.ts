import { AGENT } from './configuration.ts';
import { deliver, flipOneBit, recording } from './deliveries.ts';
import { DemoError } from './errors.ts';
import { receive, receiveTask, refusal } from './receive.ts';
import { until } from './until.ts';
import { type Story, tellEvents, watchTask } from './watch-task.ts';

/** Of a new task's events the first one is told with the delivery. */
export const CREATED = 1;

/** A delivery that a host's labels match. */
export async function overSsh(story: Story): Promise<void> {
  story.teller.title('1. A host has the label: the server starts the task there, over SSH');
  const taskId = await receiveTask(story, recording('003-issue_label-label_updated'));
  await watchTask(story, taskId, CREATED);
}

/** A delivery that no host's labels match, but an agent's do. */
export async function byPulling(story: Story): Promise<void> {
  story.teller.title('2. No host has the label: an agent that asks for work takes the task');
  const taskId = await receiveTask(story, recording('022-issue_label-label_updated'));
  await watchTask(story, taskId, CREATED);
}

/** A delivery that nobody's labels match, until a coordinator names an agent. */
export async function byAssignment(story: Story): Promise<void> {
  const { api, teller, signal } = story;
  teller.title('3. Nobody has the label: a coordinator assigns the task');
  const taskId = await receiveTask(story, recording('038-issue_comment-created'));
  await until(
    'leaving the task to the agents',
    async () => ((await api.task(taskId)).execution_mode === 'undecided' ? null : true),
    { withinMs: 20_000, signal },
  );
  const told = await tellEvents(story, taskId, CREATED);
  const agent = (await api.agents()).find(({ name }) => name === AGENT);
  if (agent === undefined) throw new DemoError(`there is no agent ${AGENT}`);
  teller.say(`POST /api/v1/tasks/${taskId}/assign {"agent_id": "${agent.id}"}`, 'yellow');
  await api.assign(taskId, agent.id);
  await watchTask(story, taskId, told);
}

/** A delivery of somebody who may not start anything. */
export async function ignored(story: Story): Promise<void> {
  story.teller.title('5. A stranger asks: ignored, with the reason');
  const { decision } = await receive(story, recording('059-issue_comment-created'));
  if (decision !== 'ignored') throw new DemoError(`the delivery should be ignored, and is ${decision}`);
}

/** A delivery that somebody changed on its way. */
export async function refused({ api, teller }: Story): Promise<void> {
  teller.title('6. A delivery was changed on its way: refused for its signature');
  const before = (await api.deliveries()).length;
  teller.say('A recorded delivery comes with its recorded signature, but with one bit flipped.', 'yellow');
  const answer = await deliver(api.url, recording('038-issue_comment-created'), flipOneBit);
  const after = (await api.deliveries()).length;
  if (answer.status !== 401 || after !== before) throw new DemoError(`it was not refused: ${refusal(answer)}`);
  teller.say(`Answered ${refusal(answer)} Nothing was stored: ${before} deliveries before, ${after} after.`);
}
