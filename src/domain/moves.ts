import type { ActorKind, Status } from './task.ts';
import { STATUSES } from './task.ts';

/**
 * Every way a task may change its status, and who may make it. The database's trigger, the documentation and the
 * tests are made from this table; what it doesn't list can't be written.
 */
export type Move = {
  name: string;
  from: readonly Status[];
  to: readonly Status[];
  who: readonly ActorKind[];
};

export const MOVES = [
  { name: 'name', from: ['pending'], to: ['pending'], who: ['coordinator', 'forge'] },
  { name: 'unname', from: ['pending'], to: ['pending'], who: ['coordinator', 'forge', 'server'] },
  { name: 'patch', from: ['pending'], to: ['pending'], who: ['coordinator', 'forge'] },
  { name: 'approve', from: ['pending'], to: ['pending'], who: ['coordinator', 'forge'] },
  { name: 'dependency met', from: ['pending'], to: ['pending'], who: ['server'] },
  { name: 'decide mode', from: ['pending'], to: ['pending'], who: ['server'] },
  { name: 'take', from: ['pending'], to: ['assigned'], who: ['agent', 'server'] },
  { name: 'start', from: ['assigned'], to: ['running'], who: ['agent', 'server'] },
  { name: 'ask stop', from: ['assigned'], to: ['assigned'], who: ['coordinator', 'forge', 'server'] },
  { name: 'ask stop', from: ['running'], to: ['running'], who: ['coordinator', 'forge', 'server'] },
  {
    name: 'end',
    from: ['assigned', 'running'],
    to: ['completed', 'failed', 'cancelled', 'pending'],
    who: ['agent', 'server'],
  },
  // While its host is out of reach.
  { name: 'cancel by force', from: ['assigned', 'running'], to: ['cancelled'], who: ['coordinator'] },
  { name: 'cancel', from: ['pending'], to: ['cancelled'], who: ['coordinator', 'forge', 'server'] },
  { name: 'retry', from: ['failed', 'cancelled'], to: ['pending'], who: ['coordinator', 'forge'] },
] as const satisfies readonly Move[];

export type MoveName = (typeof MOVES)[number]['name'];

const allowed = (move: Move, from: Status, to: Status) => move.from.includes(from) && move.to.includes(to);

/** May a move of this name go from one status to the other? */
export const isMove = (name: MoveName, from: Status, to: Status): boolean =>
  MOVES.some((move) => move.name === name && allowed(move, from, to));

/** All pairs of different statuses that some move joins: what the database lets a task's row do. */
export const allowedChanges = (): { from: Status; to: Status }[] =>
  STATUSES.flatMap((from) =>
    STATUSES.filter((to) => to !== from && MOVES.some((move) => allowed(move, from, to))).map((to) => ({ from, to })),
  );
