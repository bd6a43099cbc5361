import type { Deps } from '../usecases/deps.ts';
import { countNewEnds } from '../usecases/figures/count-ends.ts';
import { every, type Loop } from './every.ts';

type Log = Record<'info' | 'error', (fields: object, message: string) => void>;

const EVERY_MS = 10_000;

/** Keeps the statistics near to what has happened, so that who asks for them need not wait. */
export const createCountLoop = (deps: Deps, log: Log): Loop =>
  every({
    name: 'statistics',
    everyMs: EVERY_MS,
    turn: (signal) => countNewEnds(deps, Number.POSITIVE_INFINITY, signal),
    log,
  });
