import { quantile } from '../support/rows.ts';
import { attemptIds, expect } from './answers.ts';
import { type Address, type Connection, openConnection, request } from './connection.ts';

export type LoopsOptions = {
  address: Address;
  /** One loop for each agent. */
  tokens: readonly string[];
  adminToken: string;
  task: object;
  seconds: number;
  /** The time is told in so many equal parts. */
  parts: number;
};
export type LoopsPart = { perSecond: number; p50Ms: number; p99Ms: number };

const COMPLETED = JSON.stringify({ outcome: 'completed', exit_code: 0 });

/** Create, claim, complete, without a pause: as much comes in as goes out. Answers how long the claims took. */
export async function loops(options: LoopsOptions): Promise<LoopsPart[]> {
  const { address, tokens, seconds, parts } = options;
  const connections = await Promise.all(tokens.map(() => openConnection(address)));
  const claims = Array.from({ length: parts }, () => [] as number[]);
  const began = performance.now();
  const partMs = (seconds * 1000) / parts;
  const run = { ...options, partAt: (at: number) => claims[Math.floor((at - began) / partMs)] };
  try {
    await Promise.all(connections.map((connection, n) => loop(connection, tokens[n] ?? '', run)));
  } finally {
    for (const connection of connections) connection.close();
  }
  return claims.map((times) => ({
    perSecond: times.length / (seconds / parts),
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  }));
}

type Run = LoopsOptions & { partAt: (at: number) => number[] | undefined };

async function loop(connection: Connection, token: string, { adminToken, task, partAt }: Run): Promise<void> {
  const create = request('POST', '/api/v1/tasks', adminToken, JSON.stringify(task));
  const dequeue = request('POST', '/api/v1/tasks/dequeue', token, '{}');
  for (;;) {
    expect(await connection.send(create), 201);
    const asked = performance.now();
    const times = partAt(asked);
    if (times === undefined) return;
    const answer = expect(await connection.send(dequeue), 200, 204);
    times.push(performance.now() - asked);
    // Another loop had it a moment earlier; what this one created is then left for others too.
    if (answer.status === 204) continue;
    const path = `/api/v1/attempts/${attemptIds(answer.body)[0]}/complete`;
    expect(await connection.send(request('POST', path, token, COMPLETED)), 200);
  }
}
