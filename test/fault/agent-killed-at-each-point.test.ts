import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { type AgentProcess, startAgentProcess } from '../support/agent-process.ts';
import { startAgentWay } from '../support/agent-way.ts';
import { expectHealthy } from '../support/examine.ts';
import { serverOfFile } from '../support/server-of-file.ts';
import { temporaryFolder } from '../support/temporary.ts';

const { server, tasks } = await serverOfFile({ TASKEJO_LEASES__SECONDS: '120', TASKEJO_LEASES__RENEW_SECONDS: '0.5' });
afterEach(() => expectHealthy(server));

/** Gives the agent a task, has it die at the point and start again: the task has run once and is done once. */
async function diesAndGoesOn(agent: AgentProcess, point: string, arm: () => void) {
  const ran = join(temporaryFolder(), 'ran');
  const died = agent.died();
  arm();
  const { id } = await tasks.create(`echo $TASKEJO_ATTEMPT_ID >>${ran}; echo out; exit 3`, {
    title: point,
    agent_id: agent.id,
  });
  await died;
  await agent.start();
  const { result, attempt } = await tasks.ended(id);
  expect({ point, exit: result?.exit_code }).toEqual({ point, exit: 3 });
  expect({ point, ran: readFileSync(ran, 'utf8') }).toEqual({ point, ran: `${attempt?.id}\n` });
  expect({ point, out: await tasks.printed(attempt?.id ?? '') }).toEqual({ point, out: 'out\n' });
  const events = (await tasks.events(id)).map(({ type }) => type);
  expect({ point, events }).toEqual({ point, events: ['created', 'assigned', 'started', 'failed'] });
}

describe('an agent killed between taking a task and the last word on it', () => {
  test('does it once, wherever in its own writing down it died', async () => {
    const file = join(temporaryFolder(), 'die-at');
    writeFileSync(file, '');
    const preload = pathToFileURL(join(import.meta.dirname, '../support/die-at.ts')).href;
    const env = { DIE_AT_FILE: file, NODE_OPTIONS: `--import=${preload}` };
    const agent = await startAgentProcess(server, { name: 'writes', env });
    const writes = [
      'insert into request',
      'insert into attempts',
      'set machine',
      'set process',
      'set result',
      'set left_as',
    ];
    for (const write of writes) {
      for (const when of ['before', 'after']) {
        const point = `${when} ${write}`;
        await diesAndGoesOn(agent, point, () => writeFileSync(file, point));
        expect(readFileSync(file, 'utf8')).toBe('');
      }
    }
  }, 400_000);

  test('does it once, wherever in its talk with the server it died', async () => {
    const way = await startAgentWay(server.url);
    const agent = await startAgentProcess(server, { name: 'talks', env: { TASKEJO_AGENT_SERVER__URL: way.url } });
    const calls: [string, RegExp][] = [
      ['dequeue', /\/tasks\/dequeue/],
      ['start', /\/start$/],
      ['log', /\/log\/stdout/],
      ['complete', /\/complete$/],
    ];
    for (const [call, path] of calls) {
      for (const when of ['asked', 'answered'] as const) {
        await diesAndGoesOn(agent, `${call} ${when}`, () => way.once(path, when, () => void agent.kill()));
      }
    }
  }, 300_000);
});
