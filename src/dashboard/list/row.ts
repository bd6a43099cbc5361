import type { ExecutionMode, Task, TaskSource } from '../../domain/task.ts';
import { isFinal } from '../../domain/task.ts';
import { type Standing, standingOf } from '../words/standing.ts';
import { secondsBetween } from '../words/times.ts';
import { waits } from '../words/waiting.ts';

/** What a row shows, as plain data: two that are equal look the same, but for clocks that run. */
export type Row = {
  id: string;
  standing: Standing;
  title: string;
  /** `owner/name` */
  repository: string | null;
  /** `#12`, or the branch or tag. */
  object: string | null;
  template: string | null;
  mode: ExecutionMode;
  /** The agent; or why there is none yet, with the labels that are missing. */
  who: { agent: string } | { waits: string; labels: readonly string[] } | null;
  priority: number;
  time: RowTime;
};
/** Since when it waits or runs; or how long it took. */
export type RowTime = { since: string; form: 'age' | 'duration' } | { from: string; to: string } | null;

type Names = ReadonlyMap<string, string>;

export const toRow = (task: Task, names: Names, nowMs: number): Row => ({
  id: task.id,
  standing: standingOf(task),
  title: task.title,
  repository: repositoryOf(task),
  object: task.source && objectOf(task.source),
  template: task.template,
  mode: task.executionMode,
  who: whoOf(task, names, nowMs),
  priority: task.priority,
  time: timeOf(task),
});

/** `owner/name` of where it belongs; the forge's name is left out. */
export const repositoryOf = ({ source, repository }: Pick<Task, 'source' | 'repository'>): string | null =>
  source?.repository ?? repository?.replace(/^[^:]*:/, '') ?? null;

/** `#12`, or the branch or tag without its folder. */
export const objectOf = ({ number, ref }: Pick<TaskSource, 'number' | 'ref'>): string | null =>
  number === null ? (ref?.replace(/^refs\/(?:heads|tags)\//, '') ?? null) : `#${number}`;

function whoOf(task: Task, names: Names, nowMs: number): Row['who'] {
  if (task.status !== 'pending') {
    return task.assignedAgentId === null ? null : { agent: names.get(task.assignedAgentId) ?? task.assignedAgentId };
  }
  const named = task.namedAgentId && (names.get(task.namedAgentId) ?? task.namedAgentId);
  const { words, labels } = waits(task, named, nowMs);
  return { waits: words, labels };
}

function timeOf(task: Task): RowTime {
  const started = task.attempt?.startedAt ?? null;
  if (task.status === 'pending') return { since: task.createdAt, form: 'age' };
  if (!isFinal(task.status)) return { since: started ?? task.assignedAt ?? task.createdAt, form: 'duration' };
  if (started === null || task.finishedAt === null) return null;
  return secondsBetween(started, task.finishedAt) < 0 ? null : { from: started, to: task.finishedAt };
}
