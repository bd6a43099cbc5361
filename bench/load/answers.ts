import { NotAvailable } from '../support/jobs.ts';
import type { Answer } from './connection.ts';

/** The answer if it has one of these statuses; else an error that says what came. */
export function expect(answer: Answer, ...statuses: readonly number[]): Answer {
  if (statuses.includes(answer.status)) return answer;
  throw new Error(`the server answered ${answer.status}: ${answer.body.slice(0, 500)}`);
}

/** The same, where the server may not know yet what is asked. */
export function expectKnown(what: string, answer: Answer, ...statuses: readonly number[]): Answer {
  if ([404, 405, 422].includes(answer.status)) throw new NotAvailable(`${what} is answered with ${answer.status}`);
  return expect(answer, ...statuses);
}

const QUICK_LOOK = /"attempt":\{"id":"([0-9a-f-]{36})"/g;

/** Ids of the attempts that a dequeue has answered. Reading a hundred tasks as JSON would cost what the server saves. */
export function attemptIds(body: string): string[] {
  const seen = Array.from(body.matchAll(QUICK_LOOK), (found) => found[1] ?? '');
  if (seen.length > 0) return seen;
  const { tasks } = JSON.parse(body) as { tasks: { attempt: { id: string } }[] };
  return tasks.map((task) => task.attempt.id);
}
