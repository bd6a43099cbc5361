import { expect, expectKnown } from './answers.ts';
import { type Address, type Connection, openConnection, request } from './connection.ts';

export type CreateOptions = {
  address: Address;
  token: string;
  clients: number;
  task: Record<string, unknown>;
  /** Tasks of one request; more than 1 sends arrays. */
  perCall: number;
} & ({ total: number } | { seconds: number });
export type Created = { created: number; seconds: number };

/** Clients that create tasks without a pause, so many or so long. */
export async function create(options: CreateOptions): Promise<Created> {
  const { address, token, clients, task, perCall } = options;
  const connections = await Promise.all(Array.from({ length: clients }, () => openConnection(address)));
  const began = performance.now();
  const until = 'seconds' in options ? began + options.seconds * 1000 : Number.POSITIVE_INFINITY;
  const state = { created: 0, left: 'total' in options ? options.total : Number.POSITIVE_INFINITY, until };
  const work = async (connection: Connection) => {
    while (state.left > 0 && performance.now() < state.until) {
      const count = Math.min(perCall, state.left);
      state.left -= count;
      await send(connection, token, task, perCall === 1 ? null : count);
      state.created += count;
    }
  };
  try {
    await Promise.all(connections.map(work));
  } finally {
    for (const connection of connections) connection.close();
  }
  return { created: state.created, seconds: (performance.now() - began) / 1000 };
}

async function send(
  connection: Connection,
  token: string,
  task: Record<string, unknown>,
  many: number | null,
): Promise<void> {
  const body = JSON.stringify(many === null ? task : Array.from({ length: many }, () => task));
  const answer = await connection.send(request('POST', '/api/v1/tasks', token, body));
  if (many === null) expect(answer, 201);
  else expectKnown('creating many at once', answer, 201);
}
