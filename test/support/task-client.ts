import type { Attempt } from '../../src/contract/attempt.ts';
import type { Event } from '../../src/contract/event.ts';
import type { Task } from '../../src/contract/task.ts';
import type { ServerProcess } from './serve.ts';
import { type WaitOptions, waitFor } from './wait-for.ts';

/** What tests ask a real server about tasks. */
export type TaskClient = {
  create(command: string, more?: Record<string, unknown>): Promise<Task>;
  task(id: string): Promise<Task>;
  attempts(id: string): Promise<Attempt[]>;
  events(id: string): Promise<Event[]>;
  /** What an attempt has printed so far. */
  printed(attemptId: string, stream?: 'stdout' | 'stderr'): Promise<string>;
  /** The task as soon as it is so. */
  until(id: string, fact: (task: Task) => boolean, options?: WaitOptions): Promise<Task>;
  /** The task as soon as it is final. */
  ended(id: string, options?: WaitOptions): Promise<Task>;
};

export function createTaskClient(server: Pick<ServerProcess, 'url' | 'adminToken' | 'api'>): TaskClient {
  const get = <T>(path: string) => server.api<T>('GET', path);
  const task = (id: string) => get<Task>(`/api/v1/tasks/${id}`);
  const until: TaskClient['until'] = (id, fact, options) =>
    waitFor(
      async () => {
        const found = await task(id);
        return fact(found) && found;
      },
      { intervalMs: 50, what: fact.toString(), ...options },
    );
  return {
    create: (command, more = {}) =>
      server.api<Task>('POST', '/api/v1/tasks', { title: command, command: ['sh', '-c', command], ...more }),
    task,
    attempts: async (id) => (await get<{ items: Attempt[] }>(`/api/v1/tasks/${id}/attempts`)).items,
    events: async (id) => (await get<{ items: Event[] }>(`/api/v1/tasks/${id}/events`)).items,
    async printed(attemptId, stream = 'stdout') {
      const response = await fetch(`${server.url}/api/v1/attempts/${attemptId}/log/${stream}`, {
        headers: { authorization: `Bearer ${server.adminToken}` },
      });
      if (!response.ok) throw new Error(`log of ${attemptId}: ${response.status}`);
      return await response.text();
    },
    until,
    ended: (id, options) => until(id, ({ status }) => ['completed', 'failed', 'cancelled'].includes(status), options),
  };
}
