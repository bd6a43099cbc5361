import type { Task } from '../task.ts';
import type { Reason } from './facts.ts';

export type NotPending = Pick<
  Task,
  'status' | 'attempt' | 'result' | 'finishedAt' | 'stopReason' | 'stopDetail' | 'repeatable'
>;

/** Why a task that isn't pending can't be taken: what it does instead, and what keeps it there. */
export function notPendingReasons(task: NotPending, deadBy: string | null, agentName: string | null): Reason[] {
  const silent = silence(task, deadBy, agentName ?? 'its host');
  return [
    { code: 'not_pending', message: instead(task, agentName) },
    ...(isOpen(task) && task.stopReason !== null ? [stopAsked(task)] : []),
    ...(silent === null ? [] : [silent]),
  ];
}

/** A person may take it back from where it ended. */
export const changeOf = ({ status }: NotPending): string | null =>
  status === 'failed' || status === 'cancelled' ? 'retry it' : null;

const isOpen = ({ status }: NotPending): boolean => status === 'assigned' || status === 'running';

function instead({ status, attempt, result, finishedAt }: NotPending, agentName: string | null): string {
  const where = agentName === null ? '' : ` on ${agentName}`;
  if (status === 'running') return `It has been running${where} since ${attempt?.startedAt ?? 'a moment ago'}.`;
  if (status === 'assigned') return `It is assigned${agentName === null ? '' : ` to ${agentName}`} and about to start.`;
  if (status === 'completed') return `It completed at ${finishedAt}.`;
  if (status === 'cancelled') return `It was cancelled at ${finishedAt}.`;
  return `It failed at ${finishedAt}${result?.error ? `: ${result.error}` : ''}.`;
}

const STOPS = { cancel: 'it is to be cancelled', timeout: 'its time is over', preempted: 'it is to make room' };

function stopAsked({ stopReason, stopDetail }: NotPending): Reason {
  const why = stopReason === null ? '' : STOPS[stopReason];
  const detail = stopDetail === null ? '' : ` (${stopDetail})`;
  return { code: 'stop_asked', message: `It is asked to stop, since ${why}${detail}.` };
}

/** Nobody knows how it stands; by then its host's own watchdog has ended it. */
function silence(task: NotPending, deadBy: string | null, host: string): Reason | null {
  const contact = task.attempt?.contact ?? null;
  if (!isOpen(task) || contact?.state !== 'unreachable') return null;
  const since = `There was no answer from ${host} about it since ${contact.since}`;
  if (deadBy === null) return { code: 'host_unreachable', message: `${since}; nothing was started there yet.` };
  const sooner = task.repeatable ? ', or sooner if the host stays away' : '';
  return {
    code: 'host_unreachable',
    message: `${since}. It ends as lost at ${deadBy}${sooner}, unless the host comes back.`,
    until: deadBy,
  };
}
