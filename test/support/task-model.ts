import type { AgentMode, DependencyReaction, ExecutionMode, Status } from '../../src/domain/task.ts';

/** What tasks are, told in the simplest way: objects in memory, one change after the other. */
export type ModelTask = {
  id: string;
  label: string;
  priority: number;
  /** Since when it counts as waiting, in microseconds; a level of priority is worth a day. */
  since: number;
  requestedMode: ExecutionMode;
  named: string | null;
  key: string | null;
  dependsOn: readonly string[];
  reaction: DependencyReaction;
  met: Set<string>;
  approved: boolean;
  due: boolean;
  /** It was asked for no sooner than in a far future. */
  later: boolean;
  maxRetries: number;
  maxInfra: number;
  repeatable: boolean;
  status: Status;
  ready: boolean;
  retries: number;
  infra: number;
  attempts: ModelAttempt[];
};
export type ModelAttempt = { id: string; agentId: string; process: boolean; stop: boolean; open: boolean };
export type ModelAgent = { id: string; mode: AgentMode; labels: readonly string[]; capacity: number };
export type Model = { tasks: Map<string, ModelTask>; keys: Map<string, string>; agents: readonly ModelAgent[] };

export type Saying = 'completed' | 'exit' | 'setup' | 'released' | 'cancelled' | 'lost';

export const isOver = ({ status }: ModelTask): boolean => ['completed', 'failed', 'cancelled'].includes(status);
export const openAttempt = (task: ModelTask): ModelAttempt | undefined => task.attempts.find(({ open }) => open);
export const ofStatus = (model: Model, ...statuses: Status[]): ModelTask[] =>
  [...model.tasks.values()].filter(({ status }) => statuses.includes(status));

const modeNow = (model: Model, task: ModelTask): ExecutionMode =>
  model.agents.find(({ id }) => id === task.named)?.mode ?? task.requestedMode;

/** What these agents may take, best first. */
export const takeable = (model: Model, agents: readonly ModelAgent[]): ModelTask[] =>
  ofStatus(model, 'pending')
    .filter((task) => task.ready && agents.some((agent) => mayTake(model, task, agent)))
    .sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));

const DAY = 86_400_000_000;
const rank = ({ since, priority }: ModelTask): number => since - priority * DAY;

export const mayTake = (model: Model, task: ModelTask, agent: ModelAgent): boolean =>
  task.named === null
    ? agent.labels.includes(task.label) && ['undecided', agent.mode].includes(modeNow(model, task))
    : task.named === agent.id;

export const freePlaces = (model: Model, agent: ModelAgent): number =>
  agent.capacity -
  ofStatus(model, 'assigned', 'running').filter((task) => openAttempt(task)?.agentId === agent.id).length;

export function take(task: ModelTask, agentId: string, attemptId: string): void {
  task.attempts.push({ id: attemptId, agentId, process: false, stop: false, open: true });
  task.status = 'assigned';
  task.ready = false;
}

/**
 * The ending of an attempt, by the table of outcomes; what was asked goes before what was said. `unstarted`: it is proven
 * that nothing ran.
 */
export function end(task: ModelTask, saying: Saying, unstarted: boolean): void {
  const attempt = openAttempt(task);
  if (attempt === undefined) throw new Error('nothing is open');
  attempt.open = false;
  if (saying === 'completed') finish(task, 'completed');
  else if (attempt.stop || saying === 'cancelled') finish(task, 'cancelled');
  else if (saying === 'released') wait(task, true);
  else if (saying === 'exit') again(task, 'retries', task.retries < task.maxRetries);
  else {
    const safe = task.repeatable || unstarted || (saying === 'setup' && !attempt.process);
    again(task, 'infra', safe && task.infra < task.maxInfra);
  }
}

function again(task: ModelTask, budget: 'retries' | 'infra', left: boolean): void {
  if (!left) {
    finish(task, 'failed');
    return;
  }
  task[budget] += 1;
  // A command that failed is tried again after a delay.
  wait(task, budget === 'infra');
}

function wait(task: ModelTask, due: boolean): void {
  task.status = 'pending';
  task.due = due;
  task.ready = due;
}

export function finish(task: ModelTask, status: 'completed' | 'failed' | 'cancelled'): void {
  task.status = status;
  task.ready = false;
}

export function retry(model: Model, task: ModelTask): void {
  Object.assign(task, { status: 'pending', ready: false, due: !task.later, retries: 0, infra: 0 });
  task.met = new Set(task.dependsOn.filter((id) => lets(task, model.tasks.get(id))));
}

const lets = (task: ModelTask, dependency: ModelTask | undefined): boolean =>
  dependency !== undefined && (dependency.status === 'completed' || (task.reaction === 'run' && isOver(dependency)));

/** Tells dependants and opens gates until nothing changes. Who of several gets a free key is looked up. */
export function settle(model: Model, holderOf: (key: string) => string | undefined): void {
  for (let changed = true; changed; ) changed = ofStatus(model, 'pending').some((task) => tell(model, task));
  for (const [key, id] of model.keys) if (isOver(model.tasks.get(id) as ModelTask)) model.keys.delete(key);
  for (const task of ofStatus(model, 'pending')) if (!task.ready && gatesOpen(task)) open(model, task, holderOf);
}

/** Answers whether the task was changed. */
function tell(model: Model, task: ModelTask): boolean {
  const news = task.dependsOn.filter((id) => !task.met.has(id) && lets(task, model.tasks.get(id)));
  for (const id of news) task.met.add(id);
  const failed = task.dependsOn.some((id) => !task.met.has(id) && isOver(model.tasks.get(id) as ModelTask));
  if (failed && task.reaction === 'cancel') finish(task, 'cancelled');
  return news.length > 0 || (failed && task.reaction === 'cancel');
}

const gatesOpen = (task: ModelTask): boolean => task.due && task.approved && task.met.size === task.dependsOn.length;

function open(model: Model, task: ModelTask, holderOf: (key: string) => string | undefined): void {
  if (task.key === null) task.ready = true;
  else if ((model.keys.get(task.key) ?? holderOf(task.key)) === task.id) {
    model.keys.set(task.key, task.id);
    task.ready = true;
  }
}

/** Keys that somebody waits for and nobody holds: there must be none. */
export const idleKeys = (model: Model): string[] =>
  ofStatus(model, 'pending').flatMap((task) =>
    task.key !== null && !task.ready && gatesOpen(task) && !model.keys.has(task.key) ? [task.key] : [],
  );
