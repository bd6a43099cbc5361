import { isFinal } from '../task.ts';
import { type Breach, breach } from './breach.ts';
import type { ExaminedDependency, TaskFacts } from './facts.ts';

type Facts = Pick<TaskFacts, 'task' | 'dependencies' | 'keysHeld' | 'keyHolder' | 'overdueBy'>;

/** `ready` computed anew from every gate; whose moment came a while ago must have been seen by a sweep. */
export function checkReady(facts: Facts): Breach[] {
  const { task, keysHeld, keyHolder, overdueBy } = facts;
  if (task.status !== 'pending') {
    return task.ready ? [breach('ready_wrong', task.id, `the task is ${task.status} and stored as ready`)] : [];
  }
  const shut = shutGates(facts);
  const holds = task.concurrencyKey === null || keysHeld.includes(task.concurrencyKey);
  if (task.ready) {
    const early = task.dueAt === null ? [] : [`it is due at ${task.dueAt}`];
    const why = [...early, ...shut, ...(holds ? [] : [`it does not hold its concurrency key`])];
    return why.length === 0 ? [] : [breach('ready_wrong', task.id, `stored as ready, but ${why.join(', ')}`)];
  }
  if (task.dueAt !== null && task.dueAt < overdueBy) {
    return [breach('stuck', task.id, `due since ${task.dueAt} and not made ready`)];
  }
  if (task.dueAt !== null || shut.length > 0) return [];
  if (holds) return [breach('ready_wrong', task.id, 'every gate is open, and it is not stored as ready')];
  if (keyHolder !== null || task.updatedAt >= overdueBy) return [];
  return [breach('stuck', task.id, 'it waits for a concurrency key that nobody holds')];
}

/** But for the time, which a sweep looks at, and the key, which comes last. */
function shutGates({ task }: Facts): string[] {
  return [
    ...(task.unmetDependencies > 0 ? [`${task.unmetDependencies} dependencies are not met`] : []),
    ...(task.requiresApproval && task.approvedAt === null ? ['it is not approved'] : []),
  ];
}

/** A key is held from the moment when a task is ready until it is final, or made to wait for another gate. */
export function checkKey(facts: Facts): Breach[] {
  const { task, keysHeld } = facts;
  const say = (detail: string) => breach('key_misplaced', task.id, detail);
  const mayHold = !isFinal(task.status) && !waitsWithoutKey(facts);
  const wrong = keysHeld.filter((key) => key !== task.concurrencyKey || !mayHold);
  const taken = task.status === 'assigned' || task.status === 'running';
  const missing = taken && task.concurrencyKey !== null && !keysHeld.includes(task.concurrencyKey);
  return [
    ...wrong.map((key) => say(`it is ${standing(task)} and holds ${JSON.stringify(key)}`)),
    ...(missing ? [say(`it is ${task.status} and does not hold ${JSON.stringify(task.concurrencyKey)}`)] : []),
  ];
}

/** For a gate that is shut before the key is looked at. In the delay before a new try a task keeps its key. */
function waitsWithoutKey(facts: Facts): boolean {
  const { task } = facts;
  if (task.status !== 'pending' || task.ready) return false;
  const delayed = task.retries > 0 && task.dueAt !== task.runAfter;
  return shutGates(facts).length > 0 || (task.dueAt !== null && !delayed);
}

const standing = ({ status, ready }: Facts['task']): string =>
  status === 'pending' && !ready ? 'waiting for another gate' : status;

export function checkDependencies({ task, dependencies, overdueBy }: Facts): Breach[] {
  const miscounted = (detail: string) => breach('dependency_miscounted', task.id, detail);
  const rows = dependencies.map(({ id }) => id).sort();
  const wanted = [...new Set(task.dependsOn)].sort();
  if (rows.join() !== wanted.join())
    return [miscounted(`it depends on ${wanted.length} tasks, ${rows.length} are kept`)];
  const unmet = dependencies.filter(({ met }) => !met).length;
  if (unmet !== task.unmetDependencies) {
    return [miscounted(`${unmet} dependencies are not met, counted are ${task.unmetDependencies}`)];
  }
  const gone = dependencies.filter(({ status, pruned }) => status === null && !pruned);
  if (gone.length > 0) return gone.map(({ id }) => breach('dependency_hanging', task.id, `there is no task ${id}`));
  return dependencies.flatMap((one) => {
    if (one.met)
      return isRightlyMet(task, one) ? [] : [miscounted(`task ${one.id} is ${one.status}, and counted as met`)];
    if (task.status !== 'pending' || !mustBeTold(task, one)) return [];
    const untold = !one.announced || (one.finishedAt !== null && one.finishedAt < overdueBy);
    return untold ? [breach('dependency_untold', task.id, `task ${one.id} is ${one.status}`)] : [];
  });
}

/** What was met once stays so, also when a person retries what had ended. */
const isRightlyMet = (task: Facts['task'], { status, pruned, retried }: ExaminedDependency): boolean =>
  status === null
    ? pruned
    : status === 'completed' || (task.onDependencyFailure === 'run' && (isFinal(status) || retried));

/** A dependant that waits whatever happens is told only of what completed. */
const mustBeTold = (task: Facts['task'], { status }: ExaminedDependency): boolean =>
  status !== null && isFinal(status) && (status === 'completed' || task.onDependencyFailure !== 'wait');
