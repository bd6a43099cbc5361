import { isTaken, type Outcome, type Status } from '../task.ts';
import { type Breach, type BreachCode, breach } from './breach.ts';
import type { ExaminedAttempt, TaskFacts } from './facts.ts';
import type { Story, ToldAttempt } from './story.ts';

type Facts = Pick<TaskFacts, 'task' | 'attempts'>;

/** The rows of attempts among themselves and beside the task's row. */
export function checkAttempts({ task, attempts }: Facts): Breach[] {
  const say = (code: BreachCode, detail: string) => [breach(code, task.id, detail)];
  const numbers = attempts.map(({ number }) => number);
  if (numbers.length !== task.attempts || numbers.some((number, index) => number !== index + 1)) {
    return say(
      'attempts_miscounted',
      `${task.attempts} were opened; there are numbers ${numbers.join(', ') || 'none'}`,
    );
  }
  const open = attempts.filter(({ finishedAt }) => finishedAt === null);
  if (open.length > 1) return say('two_open_attempts', `open are ${open.map(({ id }) => id).join(', ')}`);
  const left = open.find(({ id }) => !isTaken(task.status) || id !== attempts.at(-1)?.id);
  if (left) return say('open_attempt_left', `attempt ${left.id} is open and the task ${task.status}`);
  const wrong = mismatch({ task, attempts });
  if (wrong !== null) return say('attempt_mismatch', wrong);
  return attempts
    .filter((one) => one.executionMode === 'http_pull' && one.finishedAt !== null && !one.settled)
    .flatMap((one) => say('place_kept', `attempt ${one.id} of agent ${one.agentId} has ended and keeps its place`));
}

function mismatch({ task, attempts }: Facts): string | null {
  const last = attempts.at(-1);
  if (task.attemptId !== (last?.id ?? null)) return `the row names attempt ${task.attemptId}, the last is ${last?.id}`;
  if (!isTaken(task.status) || !last) return null;
  if (last.finishedAt !== null) return `the task is ${task.status}, and attempt ${last.id} has ended`;
  if (last.agentId !== task.assignedAgentId)
    return `attempt ${last.id} is of ${last.agentId}, not of ${task.assignedAgentId}`;
  return last.executionMode === task.executionMode ? null : `attempt ${last.id} is ${last.executionMode}`;
}

/** The rows of attempts, and the task's counts, as the events tell them. */
export function compareWithStory({ task, attempts }: Facts, story: Story): Breach[] {
  if (story.status !== task.status) {
    return [breach('status_untold', task.id, `the row says ${task.status}, the events ${story.status}`)];
  }
  const untold = attempts.flatMap((attempt, index) => difference(attempt, story.attempts[index]) ?? []);
  const more = story.attempts.length > attempts.length ? ['the events tell of more attempts than there are'] : [];
  const breaches = [...untold, ...more].map((detail) => breach('attempts_untold', task.id, detail));
  if (breaches.length > 0) return breaches;
  const { retries, infraRetries } = story.spent;
  if (retries === task.retries && infraRetries === task.infraRetries) return [];
  const detail = `spent by the row ${task.retries} and ${task.infraRetries}, by the events ${retries} and ${infraRetries}`;
  return [breach('budget_miscounted', task.id, `${detail} (retries, infra_retries)`)];
}

function difference(attempt: ExaminedAttempt, told: ToldAttempt | undefined): string | null {
  const name = `attempt ${attempt.number}`;
  if (told?.id !== attempt.id) return `${name} was not opened by an event`;
  if (told.started !== (attempt.startedAt !== null)) return `${name}: its row and the events differ in its start`;
  if ((told.ended === null) !== (attempt.finishedAt === null))
    return `${name}: its row and the events differ in its end`;
  if (told.ended === null) return null;
  const { outcome, failureClass } = told.ended;
  if (outcome === attempt.outcome && failureClass === attempt.failureClass) return null;
  return `${name} ended ${ended(attempt)}, by the events ${ended(told.ended)}`;
}

const ended = ({ outcome, failureClass }: { outcome: Outcome | null; failureClass: string | null }) =>
  failureClass === null ? `${outcome}` : `${outcome} (${failureClass})`;

const RESULTS: Partial<Record<Status, readonly (Outcome | null)[]>> = {
  completed: ['completed'],
  failed: ['failed', 'lost'],
};

/** A final task has one result, that of its last attempt; one that was cancelled while it waited may have none. */
export function checkResult({ task, attempts }: Facts): Breach[] {
  const outcome = attempts.at(-1)?.outcome ?? null;
  if (RESULTS[task.status]?.includes(outcome) ?? true) return [];
  return [
    breach('result_contradicts', task.id, `the task is ${task.status}, its last attempt ${outcome ?? 'missing'}`),
  ];
}
