import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { createInsistentClient, type Heard, type InsistentClient } from './insistent-client.ts';
import { waitFor } from './wait-for.ts';

export type LoadOptions = {
  urls: readonly string[];
  creators?: number;
  agents?: number;
  /** After so long a client gives a request up and asks again; longer than a dequeue waits. */
  patienceMs?: number;
  /** Labels that the tasks require and the agents have. */
  requires?: readonly string[];
};

/** Clients that make tasks, take them and complete them, and write down what was acknowledged. */
export type Load = {
  client: InsistentClient;
  /** Ids of tasks whose making was answered. */
  created: readonly string[];
  /** Ids of tasks whose completion was answered. */
  completed: readonly string[];
  /** Statuses that were heard beside these; `0` is no answer. */
  othersThan(...expected: number[]): number[];
  /** Resolves when so many more tasks were completed than now. */
  goesOn(how?: { tasks?: number; timeoutMs?: number }): Promise<void>;
  /** The same after a fault: within ten seconds, and more where the machine took its time before the fault too. */
  isBack(how?: { tasks?: number }): Promise<void>;
  /** Makes no more tasks, waits until all that were made are completed, and ends. */
  finish(): Promise<void>;
};

const WAIT_SECONDS = 1;
const BACK_WITHIN_MS = 10_000;
const TIMES_AS_USUAL = 20;

export async function startLoad({
  urls,
  creators = 3,
  agents = 4,
  patienceMs = 5_000,
  requires = [],
}: LoadOptions): Promise<Load> {
  const client = createInsistentClient(urls);
  const created: string[] = [];
  const completed: string[] = [];
  const wrong: unknown[] = [];
  let creating = true;
  let taking = true;
  const ask = async (
    path: string,
    body: unknown,
    more: { token?: string; key?: string; who?: number } = {},
  ): Promise<Heard> => client.ask('POST', `/api/v1${path}`, { body, patienceMs, ...more });

  const create = async (name: number) => {
    for (let n = 0; creating; n += 1) {
      const title = `${name}/${n}`;
      const heard = await ask('/tasks', { title, command: ['true'], requires }, { key: randomUUID(), who: name });
      if (heard.status === 201) created.push(heard.json.id);
      else wrong.push(heard);
    }
  };
  const work = async (token: string, who: number) => {
    while (taking) {
      const request = { max_tasks: 2, wait_seconds: WAIT_SECONDS, request_id: randomUUID() };
      const heard = await ask('/tasks/dequeue', request, { token, who });
      if (heard.status !== 200) {
        if (heard.status !== 204) wrong.push(heard);
        continue;
      }
      for (const { id, attempt } of heard.json.tasks) {
        const ended = await ask(
          `/attempts/${attempt.id}/complete`,
          { outcome: 'completed', summary: id },
          { token, who },
        );
        if (ended.status === 200) completed.push(id);
        else wrong.push(ended);
      }
    }
  };

  const tokens: string[] = [];
  for (let n = 0; n < agents; n += 1) {
    // With all patience: whoever registers again, as the answer was lost, is told that there is one of this name.
    const body = { name: `load-${randomUUID()}`, capacity: 10, labels: requires };
    const { json } = await client.ask('POST', '/api/v1/agents/register', { body });
    tokens.push(json.token);
  }
  const creations = Promise.all(Array.from({ length: creators }, (_, name) => create(name)));
  const works = Promise.all(tokens.map(work));
  let usualMs: number | null = null;
  const goesOn: Load['goesOn'] = async ({ tasks = 30, ...options } = {}) => {
    const [before, began] = [completed.length, performance.now()];
    await waitFor(() => completed.length >= before + tasks, { what: 'the load goes on', ...options });
    usualMs ??= performance.now() - began;
  };
  return {
    client,
    created,
    completed,
    othersThan: (...expected) => [...client.statuses.keys()].filter((status) => !expected.includes(status)),
    goesOn,
    isBack: (how) => goesOn({ ...how, timeoutMs: BACK_WITHIN_MS + TIMES_AS_USUAL * (usualMs ?? 0) }),
    async finish() {
      creating = false;
      await creations;
      await waitFor(() => completed.length >= created.length, { what: 'all that was made is completed' });
      taking = false;
      await works;
      expect(wrong).toEqual([]);
    },
  };
}
