import type { Machine } from '../machine.ts';
import { unlessAborted } from '../until.ts';

/** What is known of the link to a machine: when it last said anything about the attempt. */
export type Contact = {
  /** How often it answered; grows with each answer. */
  readonly count: number;
  /** Resolves with the next answer. @throws the signal's reason when it is aborted */
  next(signal: AbortSignal): Promise<void>;
};

/** The same machine, with its answers noted. `onAnswer` is told of each. */
export function noteContact(machine: Machine, onAnswer: () => void): { machine: Machine; contact: Contact } {
  let count = 0;
  let waiting = Promise.withResolvers<void>();
  const answered = <T>(value: T): T => {
    count++;
    waiting.resolve();
    waiting = Promise.withResolvers<void>();
    onAnswer();
    return value;
  };
  return {
    machine: {
      ...machine,
      start: async (...args) => answered(await machine.start(...args)),
      status: async (...args) => answered(await machine.status(...args)),
      collect: async (...args) => answered(await machine.collect(...args)),
      cancel: async (...args) => answered(await machine.cancel(...args)),
      fence: async (...args) => answered(await machine.fence(...args)),
      follow: (attemptId, from, onPiece, signal) =>
        machine.follow(attemptId, from, (piece) => onPiece(answered(piece)), signal),
    },
    contact: {
      get count() {
        return count;
      },
      next: (signal) => unlessAborted(waiting.promise, signal),
    },
  };
}
