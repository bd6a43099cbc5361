import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startAgentProcess } from '../support/agent-process.ts';
import { startAgentWay } from '../support/agent-way.ts';
import { expectHealthy } from '../support/examine.ts';
import { startServerProcess } from '../support/serve.ts';
import { createTaskClient } from '../support/task-client.ts';
import { temporaryFolder } from '../support/temporary.ts';

const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000);
const KILLS = Number(process.env.FAULTS_ROUNDS ?? 20);
const TASKS_EACH = 3;

const kill = fc.record({
  victim: fc.integer({ min: 0, max: 2 }),
  afterMs: fc.integer({ min: 0, max: 800 }),
  loses: fc.constantFrom(null, /\/dequeue/, /\/start$/, /\/log\//, /\/complete/),
});

test('three agents are killed twenty times over sixty tasks, and each task runs once and is completed once', async () => {
  const server = await startServerProcess({ TASKEJO_LEASES__SECONDS: '120', TASKEJO_LEASES__RENEW_SECONDS: '0.5' });
  const tasks = createTaskClient(server);
  const workers = await Promise.all(
    [0, 1, 2].map(async (n) => {
      const way = await startAgentWay(server.url);
      const env = { TASKEJO_AGENT_SERVER__URL: way.url, TASKEJO_AGENT_LABELS: 'mortal' };
      return { way, agent: await startAgentProcess(server, { name: `mortal-${n}`, env }) };
    }),
  );
  const ran = join(temporaryFolder(), 'ran');
  const command = `echo $TASKEJO_TASK_ID >>${ran}; for i in 1 2 3 4 5; do echo $i; sleep 0.1; done`;
  const made: { id: string }[] = [];
  const [kills = []] = fc.sample(fc.array(kill, { minLength: KILLS, maxLength: KILLS }), { seed: SEED, numRuns: 1 });
  try {
    for (const { victim, afterMs, loses } of kills) {
      const { way, agent } = workers[victim] as (typeof workers)[number];
      const more = Array.from({ length: TASKS_EACH }, () => tasks.create(command, { requires: ['mortal'] }));
      made.push(...(await Promise.all(more)));
      if (loses !== null) way.loseAnswer(loses);
      await delay(afterMs); // when it dies is the fault itself
      await agent.kill();
      await agent.start();
    }
    for (const { id } of made) {
      const { status, attempt } = await tasks.ended(id, { timeoutMs: 120_000 });
      expect({ id, status, number: attempt?.number }).toEqual({ id, status: 'completed', number: 1 });
      expect(await tasks.printed(attempt?.id ?? '')).toBe('1\n2\n3\n4\n5\n');
      const events = (await tasks.events(id)).map(({ type }) => type);
      expect({ id, events }).toEqual({ id, events: ['created', 'assigned', 'started', 'completed'] });
    }
    const lines = readFileSync(ran, 'utf8').trim().split('\n');
    expect(lines.toSorted()).toEqual(made.map(({ id }) => id).toSorted());
    await expectHealthy(server);
  } catch (error) {
    throw new Error(`seed ${SEED}`, { cause: error });
  } finally {
    await server.stop();
  }
}, 600_000);
