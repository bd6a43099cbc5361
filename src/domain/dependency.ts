import { type DependencyReaction, isFinal, type Status } from './task.ts';

/** Whether a dependency that stands like this lets its dependant run. */
export const isMet = (status: Status, reaction: DependencyReaction): boolean =>
  status === 'completed' || (reaction === 'run' && isFinal(status));

/**
 * What becomes of a pending dependant: `met` counts the dependency as done, `cancel` ends the dependant, `wait` leaves
 * it to a person, and `none` says that the dependency has not ended.
 */
export function reactionTo(status: Status, reaction: DependencyReaction): 'met' | 'cancel' | 'wait' | 'none' {
  if (!isFinal(status)) return 'none';
  if (isMet(status, reaction)) return 'met';
  return reaction === 'cancel' ? 'cancel' : 'wait';
}

/** What a person reads about a task that was cancelled because one that it depends on did not complete. */
export const cancelledFor = (dependency: string, status: Status): string =>
  status === 'cancelled'
    ? `Task ${dependency}, which this one depends on, was cancelled.`
    : `Task ${dependency}, which this one depends on, failed.`;
