import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startAgentProcess } from '../support/agent-process.ts';
import { expectHealthy } from '../support/examine.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { createTaskClient, type TaskClient } from '../support/task-client.ts';

let server: ServerProcess;
let tasks: TaskClient;
beforeAll(async () => {
  server = await startServerProcess();
  tasks = createTaskClient(server);
});
afterEach(() => expectHealthy(server));
afterAll(() => server?.stop());

/** Passes requests on to the server; of those that `loses` names the first answer with a body never arrives. */
async function lossyWay(loses: RegExp): Promise<{ url: string; lost: () => number }> {
  let lost = 0;
  const pass = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method, headers, url = '' } = incoming;
    const onward = request(`${server.url}${url}`, { method, headers }, (answer) => {
      if (lost === 0 && answer.statusCode === 200 && loses.test(url)) {
        lost++;
        answer.resume().once('end', () => outgoing.destroy());
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  };
  const way: Server = createServer(pass);
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    way.closeAllConnections();
    way.close();
  });
  return { url: `http://127.0.0.1:${(way.address() as AddressInfo).port}`, lost: () => lost };
}

describe('an answer to an agent that gets lost', () => {
  test.each([
    ['dequeue', /\/tasks\/dequeue/],
    ['start', /\/start$/],
    ['log', /\/log\/stdout/],
    ['complete', /\/complete$/],
  ])('does no harm: %s', async (what, path) => {
    const way = await lossyWay(path);
    const name = `loses-${what}`;
    const agent = await startAgentProcess(server, { name, env: { TASKEJO_AGENT_SERVER__URL: way.url } });
    const { id } = await tasks.create('echo once; exit 3', { agent_id: agent.id });
    const ended = await tasks.ended(id);
    expect(way.lost()).toBe(1);
    expect(ended).toMatchObject({ status: 'failed', result: { exit_code: 3 } });
    expect(await tasks.printed(ended.attempt?.id ?? '')).toBe('once\n');
    expect((await tasks.events(id)).map(({ type }) => type)).toEqual(['created', 'assigned', 'started', 'failed']);
    const next = await tasks.create('true', { agent_id: agent.id });
    expect(await tasks.ended(next.id)).toMatchObject({ status: 'completed' });
  });
});
