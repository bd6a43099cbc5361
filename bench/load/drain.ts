import { setTimeout as delay } from 'node:timers/promises';
import { quantile } from '../support/rows.ts';
import { attemptIds, expect, expectKnown } from './answers.ts';
import { type Address, type Connection, openConnection, request } from './connection.ts';

export type DrainOptions = {
  address: Address;
  /** One agent each, with one connection each. */
  tokens: readonly string[];
  /** So many tasks are there; the clock stops when all are completed. */
  total: number;
  /** More than 1: dequeued so many at a time, and completed by one call. */
  perCall: number;
  /** A slow server isn't waited for longer. */
  atMostSeconds: number;
};
export type Drained = { done: number; seconds: number; p50Ms: number; p99Ms: number };

const STALLED_MS = 30_000;
const DONE = { outcome: 'completed', exit_code: 0 };

/** Agents that dequeue and complete without a pause until nothing is left. */
export async function drain({ address, tokens, total, perCall, atMostSeconds }: DrainOptions): Promise<Drained> {
  const connections = await Promise.all(tokens.map(() => openConnection(address)));
  const began = performance.now();
  const until = began + atMostSeconds * 1000;
  const state: State = { done: 0, total, perCall, until, asked: [], movedAt: began };
  try {
    await Promise.all(connections.map((connection, n) => work(connection, tokens[n] ?? '', state)));
  } finally {
    for (const connection of connections) connection.close();
  }
  const seconds = (performance.now() - began) / 1000;
  return { done: state.done, seconds, p50Ms: quantile(state.asked, 0.5), p99Ms: quantile(state.asked, 0.99) };
}

type State = { done: number; total: number; perCall: number; until: number; asked: number[]; movedAt: number };

async function work(connection: Connection, token: string, state: State): Promise<void> {
  const dequeue = request('POST', '/api/v1/tasks/dequeue', token, JSON.stringify({ max_tasks: state.perCall }));
  for (;;) {
    const asked = performance.now();
    if (state.done >= state.total || asked > state.until) return;
    const answer = expect(await connection.send(dequeue), 200, 204);
    if (answer.status === 204) {
      if (asked - state.movedAt > STALLED_MS) throw new Error(`only ${state.done} of ${state.total} tasks came`);
      await delay(5);
      continue;
    }
    state.asked.push(performance.now() - asked);
    const ids = attemptIds(answer.body);
    await (state.perCall === 1 ? completeOne(connection, token, ids) : completeAll(connection, token, ids));
    state.done += ids.length;
    state.movedAt = performance.now();
  }
}

async function completeOne(connection: Connection, token: string, [id = '']: readonly string[]): Promise<void> {
  const path = `/api/v1/attempts/${id}/complete`;
  expect(await connection.send(request('POST', path, token, JSON.stringify(DONE))), 200);
}

async function completeAll(connection: Connection, token: string, ids: readonly string[]): Promise<void> {
  const body = JSON.stringify({ items: ids.map((id) => ({ attempt_id: id, ...DONE })) });
  const answer = await connection.send(request('POST', '/api/v1/attempts/complete', token, body));
  const { items } = JSON.parse(expectKnown('completing many at once', answer, 200).body) as {
    items: { status: number }[];
  };
  const refused = items.filter((item) => item.status !== 200);
  if (refused.length > 0)
    throw new Error(`${refused.length} of ${ids.length} were refused: ${JSON.stringify(refused[0])}`);
}
