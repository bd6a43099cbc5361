import type { Transaction } from 'kysely';
import type { Result } from '../../domain/attempt.ts';
import { AppError } from '../../domain/errors.ts';
import type { Holder } from '../../domain/holder.ts';
import { isFinal } from '../../domain/task.ts';
import { statusAfter } from '../../store/events.ts';
import { keepLateResult } from '../../store/late-results.ts';
import type { Database } from '../../store/schema.ts';
import { changeTask } from '../../store/task-changes.ts';
import { coalesce } from '../coalesce.ts';
import type { Deps } from '../deps.ts';
import { completeFresh } from './complete-fresh.ts';
import type { Completed, Completion } from './completion.ts';
import { type End, type Ended, type EndOptions, endAll } from './end-attempt.ts';
import { actorOf, fenced, type Held, isHeld, lockAllOwn } from './holding.ts';
import { judgeAgents } from './judge-agent.ts';
import { storableResults } from './storable-result.ts';

type Trx = Transaction<Database>;

/**
 * The holder says how its attempt ended. Saying the same again is answered the same. A result that comes when the
 * server has ended the attempt changes nothing, and is kept as evidence.
 */
export async function completeAttempt(
  deps: Deps,
  holder: Holder,
  attemptId: string,
  result: Result,
  said: { hash: string },
): Promise<Completed> {
  const [answer] = await completeAttempts(deps, [{ holder, attemptId, result, hash: said.hash }]);
  if (answer === undefined || answer instanceof AppError) throw answer;
  return answer;
}

/** The same for several attempts in one transaction; an error stands in the place of one that is refused. */
export async function completeAttempts(
  deps: Deps,
  completions: readonly Completion[],
): Promise<(Completed | AppError)[]> {
  const storable = await storableResults(deps, completions);
  return storeAll(deps, await Promise.all(storable.map(({ said, judge }) => judge?.() ?? said)));
}

async function storeAll(deps: Deps, storable: readonly Completion[]): Promise<(Completed | AppError)[]> {
  const seen = new Set<string>();
  const twice = storable.findIndex(({ attemptId }) => seen.size === seen.add(attemptId).size);
  if (twice > 0) {
    // What is said later of the same attempt is judged by what was said before.
    const first = await storeAll(deps, storable.slice(0, twice));
    return [...first, ...(await storeAll(deps, storable.slice(twice)))];
  }
  const fresh = await completeFresh(deps, storable);
  const others = storable.filter(({ attemptId }) => !fresh.has(attemptId));
  const { answers: long, ended, awaited } = await completeLocked(deps, others);
  await judgeAgents(deps, ended);
  // Who waited for the key of one of them may be ready now, and dependants are to be told.
  if (awaited) deps.wakeups.emit({ kind: 'ready' }, { kind: 'ended' });
  const answers = storable.map(
    (one) => fresh.get(one.attemptId) ?? (long[others.indexOf(one)] as Completed | AppError),
  );
  answers.forEach((answer, index) => {
    if (!(answer instanceof AppError)) wakeAfter(deps, answer, storable[index] as Completion);
  });
  return answers;
}

/** So many are ended by one transaction at most. */
const MOST = 100;

/**
 * Completes what comes together in one transaction; whoever is refused alone is answered alone. What a schema judges is
 * stored as soon as it is judged, and keeps nobody waiting who came with it.
 */
export function createComplete(deps: Deps): (completion: Completion) => Promise<Completed> {
  type Asked = { completion: Completion; judged: boolean };
  const complete: (asked: Asked) => Promise<Completed> = coalesce(
    async (asked: readonly Asked[]) => {
      const said = asked.map(({ completion }) => completion);
      const storable = (await storableResults(deps, said)).map(({ said: hidden, judge }, at) =>
        asked[at]?.judged ? { said: said[at] as Completion, judge: null } : { said: hidden, judge },
      );
      const now = storable.flatMap((one) => (one.judge === null ? one.said : []));
      const stored = (await storeAll(deps, now)).values();
      return storable.map(({ judge }) => {
        if (judge !== null) return { value: judge().then((completion) => complete({ completion, judged: true })) };
        const answer = stored.next().value as Completed | AppError;
        return answer instanceof AppError ? { error: answer } : { value: answer };
      });
    },
    { most: MOST, weigh: ({ completion: { result } }) => weightOf(result), heaviest: HEAVIEST_BYTES },
  );
  return (completion) => complete({ completion, judged: false });
}

/** Of the outputs and summaries of one batch together. */
const HEAVIEST_BYTES = 4 * 1024 * 1024;
const weightOf = ({ output, summary }: Result): number =>
  (output === null ? 0 : JSON.stringify(output).length) + (summary?.length ?? 0);

const completeLocked = async (deps: Deps, completions: readonly Completion[]) =>
  completions.length === 0
    ? { answers: [], ended: [], awaited: false }
    : deps.hot.transaction().execute((trx) => completeAll(trx, deps, completions));

async function completeAll(
  trx: Trx,
  deps: Deps,
  completions: readonly Completion[],
): Promise<{ answers: (Completed | AppError)[]; ended: Ended[]; awaited: boolean }> {
  const all = await lockAllOwn(trx, completions);
  const ends: (End & { index: number })[] = [];
  const answers: (Completed | AppError)[] = [];
  for (const [index, completion] of completions.entries()) {
    const judged = judge(all[index] ?? null, completion);
    if (judged instanceof AppError) answers[index] = judged;
    else if (judged.late) answers[index] = await afterTheEnd(trx, judged.held, completion);
    else ends.push({ held: judged.held, result: completion.result, options: optionsOf(completion), index });
  }
  const ended = await endAll(trx, deps, ends);
  for (const [at, { index, held }] of ends.entries()) {
    answers[index] = { taskId: held.task.id, taskStatus: (ended[at] as Ended).status };
  }
  const awaited = ends.some(({ held: { task } }) => task.concurrency_key !== null || task.has_dependants);
  return { answers, ended, awaited };
}

/** Whether an attempt may be ended like this by this holder; `late`: it has ended already. */
function judge(held: Held | AppError | null, { holder, result }: Completion): { held: Held; late: boolean } | AppError {
  if (held === null) return new AppError('lease_lost', 'This database does not know the attempt.');
  if (held instanceof AppError) return held;
  if (!isHeld(held, holder)) return { held, late: true };
  return refusalOf(held, result) ?? { held, late: false };
}

const optionsOf = ({ holder, hash }: Completion): EndOptions => ({
  actor: actorOf(holder),
  saidHash: hash,
  settled: true,
});

function wakeAfter({ wakeups }: Deps, { taskId, taskStatus }: Completed, { holder, attemptId }: Completion): void {
  wakeups.emit({ kind: 'task', taskId }, { kind: 'log', attemptId });
  // A host has a place more, or the task itself waits again.
  if (holder.kind === 'replica' || !isFinal(taskStatus)) wakeups.emit({ kind: 'ready' });
  if (holder.kind === 'agent') wakeups.emit({ kind: 'place', agentId: holder.agentId });
}

/** Handing back means that nothing was started; once a process was reported that can't be said any more. */
function refusalOf({ attempt }: Held, result: Result): AppError | null {
  if (result.outcome !== 'released' || attempt.process === null) return null;
  return new AppError('status_not_allowed', 'A process was reported for this attempt, so it cannot be handed back.');
}

async function afterTheEnd(
  trx: Trx,
  { task, attempt }: Held,
  { holder, hash, result }: Completion,
): Promise<Completed | AppError> {
  // The task may have gone on since.
  if (attempt.said_hash === hash)
    return { taskId: task.id, taskStatus: (await statusAfter(trx, task.id, attempt.id)) ?? task.status };
  if (attempt.said_hash === null && (await keepLateResult(trx, attempt.id, result, hash))) {
    const data = { outcome: result.outcome, exit_code: result.exitCode };
    await changeTask(trx, task, {}, { type: 'late_result', actor: actorOf(holder), attemptId: attempt.id, data });
  }
  return fenced(attempt);
}
