import { type Answer, deliver, type Recording } from './deliveries.ts';
import { DemoError } from './errors.ts';
import { bornAs } from './narrate.ts';
import type { Story } from './watch-task.ts';

/** Posts a delivery that should make one task, and tells what the server decided. Answers the task's id. */
export async function receiveTask(story: Story, recording: Recording): Promise<string> {
  const { api, teller } = story;
  const { taskIds } = await receive(story, recording);
  const [taskId] = taskIds;
  if (taskId === undefined || taskIds.length > 1) {
    throw new DemoError(`the delivery “${recording.title}” made ${taskIds.length} tasks instead of one`);
  }
  const known = { task: await api.task(taskId), events: await api.events(taskId), agents: [] };
  teller.say(bornAs(known));
  return taskId;
}

/** Posts a delivery with a valid signature, and tells what stands about it in the server's ledger. */
export async function receive(
  { api, teller }: Story,
  recording: Recording,
): Promise<{ decision: string; taskIds: string[] }> {
  teller.say(`Forgejo delivers: ${recording.title}.`, 'yellow');
  const answer = await deliver(api.url, recording);
  if (answer.accepted === null) throw new DemoError(`the server refused a right delivery: ${refusal(answer)}`);
  const stored = await api.delivery(answer.accepted.delivery_id);
  const event = `${stored.event_type} by ${stored.sender} in ${stored.repository}`;
  teller.say(
    `Its signature is right (${event}); answered ${answer.status}, ${stored.decision}: ${withoutCode(stored.reason)}.`,
  );
  return { decision: stored.decision, taskIds: stored.task_ids };
}

export const refusal = ({ status, problem }: Answer): string =>
  problem === null ? `${status}` : `${status} ${problem.code}: ${problem.detail}`;

/** A reason is a code, a colon and a sentence. */
const withoutCode = (reason: string): string => reason.replace(/^[a-z_]+: /, '');
