import type { Task } from '../../src/contract/task.ts';
import type { ServerProcess } from './serve.ts';

/** An agent that does over HTTP what a test tells it. */
export type PlayedAgent = {
  take(): Promise<string>;
  start(attemptId: string): Promise<void>;
  progress(attemptId: string, percent: number, message: string): Promise<void>;
  print(attemptId: string, text: string, stream?: 'stdout' | 'stderr'): Promise<void>;
  end(attemptId: string, body: Record<string, unknown>): Promise<void>;
};

type Taken = { tasks: (Task & { attempt: { id: string } })[] };

export async function playAgent(server: ServerProcess, name: string, labels: string[]): Promise<PlayedAgent> {
  const { token } = await server.api<{ token: string }>('POST', '/api/v1/agents/register', {
    name,
    labels,
    capacity: 9,
  });
  const offsets = new Map<string, number>();
  const about = (attemptId: string, what: string, body: unknown) =>
    server.api('POST', `/api/v1/attempts/${attemptId}/${what}`, body, token);
  return {
    async take() {
      const { tasks } = await server.api<Taken>('POST', '/api/v1/tasks/dequeue', { wait_seconds: 20 }, token);
      const [task] = tasks;
      if (task === undefined) throw new Error('there was nothing to take');
      return task.attempt.id;
    },
    start: async (id) => void (await about(id, 'start', {})),
    progress: async (id, percent, message) => void (await about(id, 'progress', { percent, message })),
    end: async (id, body) => void (await about(id, 'complete', body)),
    async print(id, text, stream = 'stdout') {
      const bytes = new TextEncoder().encode(text);
      const key = `${id}/log/${stream}`;
      const offset = offsets.get(key) ?? 0;
      await server.api('PUT', `/api/v1/attempts/${key}?offset=${offset}`, bytes, token);
      offsets.set(key, offset + bytes.length);
    },
  };
}
