import { afterAll } from 'vitest';
import { type ServerProcess, startServerProcess } from './serve.ts';
import { createTaskClient, type TaskClient } from './task-client.ts';

/** A server for all tests of a file, with a client for its tasks. Hooks that are set after it still find it running. */
export async function serverOfFile(
  env: Record<string, string> = {},
): Promise<{ server: ServerProcess; tasks: TaskClient }> {
  const server = await startServerProcess(env);
  afterAll(() => server.stop());
  return { server, tasks: createTaskClient(server) };
}
