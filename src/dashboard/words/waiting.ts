import type { Task } from '../../domain/task.ts';
import { clock, day, exact } from './times.ts';

type Waiting = Pick<Task, 'waitingReason' | 'namedAgentId' | 'executionMode' | 'requires' | 'runAfter'>;

/** Why a task waits: in a few words for a table, in a sentence for its own page, and what helps. */
export type Waits = {
  words: string;
  /** What the words end with: labels that are missing. */
  labels: readonly string[];
  sentence: string;
  helps: string;
};

/** In words for people what `waiting_reason` is for programs. `named` is what the named agent is called. */
export function waits(task: Waiting, named: string | null, nowMs: number): Waits {
  const { words, sentence, helps, labels = [] } = reason(task, named, nowMs);
  return { words, sentence, helps, labels };
}

type Reason = Omit<Waits, 'labels'> & Partial<Pick<Waits, 'labels'>>;

function reason(task: Waiting, named: string | null, nowMs: number): Reason {
  switch (task.waitingReason) {
    case null:
      return says('about to start', 'It can be taken now.', 'A host is given it at once, an agent when it asks next.');
    case 'run_after':
      return notYet(task.runAfter, nowMs);
    case 'dependencies':
      return says('waits for other tasks', 'It depends on tasks that have not completed yet.', 'It starts after them.');
    case 'approval':
      return says('to be approved', 'A person must approve it first.', 'It is taken in its turn after that.');
    case 'authorization':
      return says('to be allowed', 'Whoever asked for it must be allowed to.', 'It is taken in its turn after that.');
    case 'concurrency':
      return says(
        'another one is under way',
        'Another task holds its concurrency key.',
        'It is taken in its turn when that one has ended.',
      );
    case 'no_agents':
      return says(`no ${kinds(task)} yet`, `There is no ${kinds(task)} yet.`, 'It starts when one is there.');
    case 'agent_removed':
      return says(
        'its agent was removed',
        `${named ?? 'The agent'}, which it was assigned to, was removed.`,
        'Assign it to another one.',
      );
    case 'labels_nobody_has':
      return {
        ...says(
          'nobody has',
          `No ${kinds(task)} has all the labels that it needs.`,
          'It starts when one with them is there.',
        ),
        labels: task.requires,
      };
    case 'all_busy':
      return says(
        'no free place',
        named === null ? 'All places that could take it are taken.' : `All places of ${named} are taken.`,
        'It starts when a place gets free and nothing is before it.',
      );
    default:
      return closed(task.waitingReason, named);
  }
}

const says = (words: string, sentence: string, helps: string): Reason => ({ words, sentence, helps });

const kinds = ({ executionMode }: Waiting): string =>
  ({ undecided: 'host or agent', ssh_cli: 'host', http_pull: 'agent that pulls' })[executionMode];

function notYet(runAfter: string | null, nowMs: number): Reason {
  if (runAfter === null || Date.parse(runAfter) <= nowMs) {
    return says('waits to be retried', 'Its last attempt failed.', 'It is tried again after a delay.');
  }
  const today = day(new Date(nowMs).toISOString()) === day(runAfter);
  const when = today ? clock(runAfter).slice(0, 5) : day(runAfter);
  return says(
    `not before ${when}`,
    `It may not start before ${exact(runAfter)}.`,
    'It is taken in its turn after that.',
  );
}

type Closed = { is: string; are: string; again: string };
const CLOSED: Record<string, Closed> = {
  offline: { is: 'is offline', are: 'are offline', again: 'is back' },
  cordoned: { is: 'is cordoned', are: 'are cordoned', again: 'is let back' },
  draining: { is: 'takes nothing new', are: 'take nothing new', again: 'takes tasks again' },
  unsettled: {
    is: 'is asked first how attempts ended there',
    are: 'are asked first how attempts ended there',
    again: 'has answered',
  },
  policy: { is: 'refuses its command', are: 'refuse its command', again: 'allows it' },
  limits_unavailable: {
    is: 'has not the limits or sandbox that it asks for',
    are: 'have not its limits or sandbox',
    again: 'has them',
  },
  recently_failed_here: {
    is: 'is given a moment, since it failed there',
    are: 'are given a moment',
    again: 'may be asked again, or another one can take it',
  },
};

/** Whoever could take it takes nothing now; `code` says why. */
function closed(code: string, named: string | null): Reason {
  const known = CLOSED[code];
  if (known === undefined) return says(code, `It waits: ${code}.`, 'It starts when that is over.');
  return says(
    named === null ? `agents ${known.are}` : `${named} ${known.is}`,
    `${named ?? 'Whoever could take it'} ${known.is}.`,
    `It starts when ${named ?? 'one of them'} ${known.again}.`,
  );
}
