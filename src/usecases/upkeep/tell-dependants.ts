import type { Transaction } from 'kysely';
import { cancelledFor, reactionTo } from '../../domain/dependency.ts';
import { isFinal } from '../../domain/task.ts';
import {
  COUNT_DOWN,
  cancelled,
  changeDependants,
  type Dependant,
  type Finished,
  forgetFinished,
  markTold,
  meetDependency,
  pendingDependants,
  readFinished,
  UNCHANGED,
  untoldDependants,
  untoldDependencies,
  whoKnowOfFailure,
} from '../../store/dependants.ts';
import { lockDependencies } from '../../store/dependencies.ts';
import type { Happening } from '../../store/event-chain.ts';
import { openGates } from '../../store/gates.ts';
import type { Database } from '../../store/schema.ts';
import type { Deps } from '../deps.ts';
import { releaseWaiters } from '../dequeue/release-waiters.ts';
import { SERVER } from '../server-actor.ts';

type Trx = Transaction<Database>;
type Ended = { id: string } & Finished;

/** So many dependants are told in one transaction. */
const STEP = 500;
/** So many dependencies are looked at before looking again. */
const PASS = 100;

/**
 * Tells dependants that what they depend on has ended, each dependency one step further. Answers how many
 * dependencies had somebody to be told; called again until it is none. One that can't be told now keeps no other from
 * being told.
 */
export async function tellDependants(deps: Pick<Deps, 'db' | 'wakeups'>, signal?: AbortSignal): Promise<number> {
  const dependencies = await untoldDependencies(deps.db, PASS);
  const errors: unknown[] = [];
  for (const id of dependencies) {
    if (signal?.aborted) break;
    await tellSome(deps, id).catch((error) => errors.push(error));
  }
  if (errors.length > 0) throw errors[0];
  return dependencies.length;
}

type Told = { changed: readonly Dependant[]; opened: readonly string[] };
const NOBODY: Told = { changed: [], opened: [] };

async function tellSome(deps: Pick<Deps, 'db' | 'wakeups'>, dependency: string): Promise<void> {
  const { changed, opened } = await deps.db.transaction().execute((trx) => tellStep(trx, dependency));
  if (changed.length > 0) {
    deps.wakeups.emit(...changed.map(({ id }) => ({ kind: 'task', taskId: id }) as const));
  }
  if (opened.length > 0) deps.wakeups.emit({ kind: 'ready' });
}

/**
 * One step. The dependency and its dependants are locked together, in the order of their ids, as by everybody who
 * locks several tasks; whoever comes to depend on it after the look is left to the next step.
 */
async function tellStep(trx: Trx, dependency: string): Promise<Told> {
  const seen = await untoldDependants(trx, dependency, STEP);
  const locked = await lockDependencies(trx, [dependency, ...seen]);
  const ended = await readFinished(trx, dependency);
  if (ended === null || !isFinal(ended.status)) {
    await forgetFinished(trx, dependency);
    return NOBODY;
  }
  const waiting = await untoldDependants(trx, dependency, STEP);
  const unlocked = waiting.findIndex((id) => !locked.has(id));
  const ids = unlocked === -1 ? waiting : waiting.slice(0, unlocked);
  const told = await tellAll(trx, { id: dependency, ...ended }, await pendingDependants(trx, ids));
  const last = ids.at(-1);
  if (unlocked === -1 && ids.length < STEP) await forgetFinished(trx, dependency);
  else if (last !== undefined) await markTold(trx, dependency, last);
  return told;
}

async function tellAll(trx: Trx, ended: Ended, dependants: readonly Dependant[]): Promise<Told> {
  const by = Map.groupBy(dependants, (task) => reactionTo(ended.status, task.on_dependency_failure));
  const met = await tellMet(trx, ended, by.get('met') ?? []);
  await tellCancelled(trx, ended, by.get('cancel') ?? []);
  const news = await tellWaiting(trx, ended, by.get('wait') ?? []);
  return { ...met, changed: [...met.changed, ...(by.get('cancel') ?? []), ...news] };
}

async function tellMet(trx: Trx, ended: Ended, dependants: readonly Dependant[]): Promise<Told> {
  const flipped = await meetDependency(
    trx,
    ended.id,
    dependants.map(({ id }) => id),
  );
  const changed = dependants.filter(({ id }) => flipped.has(id));
  const met: Happening = {
    type: 'dependency_met',
    actor: SERVER,
    data: { depends_on: ended.id, status: ended.status },
  };
  await changeDependants(trx, changed, [met], ended.at, COUNT_DOWN);
  return { changed, opened: await openGates(trx, [...flipped]) };
}

async function tellCancelled(trx: Trx, ended: Ended, dependants: readonly Dependant[]): Promise<void> {
  const reason = cancelledFor(ended.id, ended.status);
  const happenings: Happening[] = [failure(ended), { type: 'cancelled', actor: SERVER, data: { reason } }];
  await changeDependants(trx, dependants, happenings, ended.at, cancelled(ended.at, reason));
  await releaseWaiters(trx, dependants);
}

/** Told once of each failure, however often it is announced. */
async function tellWaiting(trx: Trx, ended: Ended, dependants: readonly Dependant[]): Promise<readonly Dependant[]> {
  const known = await whoKnowOfFailure(
    trx,
    dependants.map(({ id }) => id),
    { dependency: ended.id, finishedAt: ended.finishedAt },
  );
  const news = dependants.filter(({ id }) => !known.has(id));
  await changeDependants(trx, news, [failure(ended)], ended.at, UNCHANGED);
  return news;
}

const failure = (ended: Ended): Happening => ({
  type: 'dependency_failed',
  actor: SERVER,
  data: { depends_on: ended.id, status: ended.status, finished_at: ended.finishedAt },
});
