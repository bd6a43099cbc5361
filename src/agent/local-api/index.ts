import type { Log } from '../../executor/log.ts';
import { createHttpServer } from './http-server.ts';
import { listenOnPort, listenOnSocket } from './listen.ts';
import type { LocalAgent } from './local-agent.ts';
import { flag, type Route } from './route.ts';

export type LocalApiOptions = { agent: LocalAgent; socket: string; listen: string | null; log: Log };

/** Answers on this machine; work is not made here, so that one place knows all of it. @throws {AgentError} */
export async function startLocalApi(options: LocalApiOptions): Promise<{ stop(): Promise<void> }> {
  const { agent, socket, listen, log } = options;
  const routes = routesOf(agent);
  const onSocket = createHttpServer({ routes, reachedByPages: false, log });
  const servers = [onSocket];
  const removeSocket = await listenOnSocket(onSocket.server, socket);
  const stop = async () => {
    removeSocket();
    await Promise.all(servers.map((one) => one.stop()));
  };
  if (listen === null) return { stop };
  const onPort = createHttpServer({ routes, reachedByPages: true, log });
  servers.push(onPort);
  await listenOnPort(onPort.server, listen).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { stop };
}

function routesOf(agent: LocalAgent): Route[] {
  return [
    { method: 'GET', path: '/api/v1/ping', handler: agent.ping },
    { method: 'GET', path: '/api/v1/system/info', handler: agent.info },
    { method: 'GET', path: '/api/v1/queue/status', handler: agent.queue },
    { method: 'GET', path: '/api/v1/tasks', handler: async () => ({ items: await agent.tasks() }) },
    { method: 'GET', path: '/api/v1/tasks/{attempt_id}', handler: ({ attemptId }) => agent.task(attemptId) },
    { method: 'GET', path: '/api/v1/metrics', handler: agent.metrics },
    { method: 'POST', path: '/api/v1/tasks/{attempt_id}/stop', handler: ({ attemptId }) => agent.stop(attemptId) },
    { method: 'POST', path: '/api/v1/drain', handler: () => agent.drain(true) },
    { method: 'POST', path: '/api/v1/undrain', handler: () => agent.drain(false) },
    {
      method: 'POST',
      path: '/api/v1/cleanup',
      query: ['dry_run'],
      handler: ({ query }) => agent.cleanup(flag(query, 'dry_run')),
    },
    {
      method: 'POST',
      path: '/api/v1/leave',
      query: ['force'],
      handler: ({ query }) => agent.leave(flag(query, 'force')),
    },
  ];
}
