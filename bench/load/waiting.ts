import { setTimeout as delay } from 'node:timers/promises';
import { attemptIds, expect } from './answers.ts';
import { type Address, type Connection, openConnection, request } from './connection.ts';

export type StartWaiting = { address: Address; tokens: readonly string[] };
export type SampleWaiting = { token: string; task: object; samples: number; gapMs: number };
/** Milliseconds until an agent had a task, from when its creation was sent and from when it was answered. */
export type Waited = { sinceSentMs: number[]; sinceAnsweredMs: number[] };

const AT_ONCE = 100;
/** Ports of one address are fewer than 30,000 on most machines, and others need some. */
const PER_ADDRESS = 5_000;
const TOO_LATE_MS = 20_000;
const COMPLETED = JSON.stringify({ outcome: 'completed', exit_code: 0 });

type Crowd = { address: Address; connections: Connection[]; loops: Promise<void>[]; arrived: (atMs: number) => void };

/** Agents that wait for a task all the time, and a client that creates one now and then. */
export function createWaiting() {
  const state: { crowd: Crowd | null } = { crowd: null };
  return {
    async startWaiting({ address, tokens }: StartWaiting): Promise<void> {
      const crowd: Crowd = { address, connections: [], loops: [], arrived: () => {} };
      state.crowd = crowd;
      for (let first = 0; first < tokens.length; first += AT_ONCE) {
        const lot = tokens.slice(first, first + AT_ONCE);
        const localAddress = `127.0.0.${2 + Math.floor(first / PER_ADDRESS)}`;
        const opened = await Promise.all(lot.map(() => openConnection({ ...address, localAddress })));
        crowd.connections.push(...opened);
        crowd.loops.push(...opened.map((connection, n) => wait(crowd, connection, lot[n] ?? '')));
      }
    },
    sampleWaiting: (options: SampleWaiting) => sample(crowdOf(state), options),
    async endWaiting(_: object): Promise<void> {
      const { connections, loops } = crowdOf(state);
      state.crowd = null;
      for (const connection of connections) connection.close();
      await Promise.allSettled(loops);
    },
  };
}

function crowdOf({ crowd }: { crowd: Crowd | null }): Crowd {
  if (crowd === null) throw new Error('nobody waits');
  return crowd;
}

async function wait(crowd: Crowd, connection: Connection, token: string): Promise<void> {
  const dequeue = request('POST', '/api/v1/tasks/dequeue', token, '{"wait_seconds":60}');
  for (;;) {
    const answer = expect(await connection.send(dequeue), 200, 204);
    const at = performance.now();
    if (answer.status === 204) continue;
    const path = `/api/v1/attempts/${attemptIds(answer.body)[0]}/complete`;
    expect(await connection.send(request('POST', path, token, COMPLETED)), 200);
    crowd.arrived(at);
  }
}

async function sample(crowd: Crowd, { token, task, samples, gapMs }: SampleWaiting): Promise<Waited> {
  const connection = await openConnection(crowd.address);
  const create = request('POST', '/api/v1/tasks', token, JSON.stringify(task));
  const waited: Waited = { sinceSentMs: [], sinceAnsweredMs: [] };
  const failed = Promise.race(crowd.loops);
  for (let n = 0; n < samples; n++) {
    await delay(gapMs);
    const arrived = new Promise<number>((resolve) => {
      crowd.arrived = resolve;
    });
    const sent = performance.now();
    expect(await connection.send(create), 201);
    const answered = performance.now();
    const at = await Promise.race([arrived, failed, delay(TOO_LATE_MS, null)]);
    if (typeof at !== 'number') throw new Error(`no agent had the task after ${TOO_LATE_MS} ms`);
    waited.sinceSentMs.push(at - sent);
    waited.sinceAnsweredMs.push(Math.max(0, at - answered));
  }
  connection.close();
  return waited;
}
