import type { Actor } from '../domain/task.ts';

/** Who stands in the history for what happens unasked. */
export const SERVER: Actor = { kind: 'server', id: 'server' };
