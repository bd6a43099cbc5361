import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeEach, expect, it } from 'vitest';
import type { AgentMode, NewTask } from '../../src/domain/task.ts';
import { NO_LIMITS } from '../../src/domain/task.ts';
import { createTask, createTasks } from '../../src/usecases/create/create-task.ts';
import { claimForAgents } from '../../src/usecases/dequeue/claim-for-agents.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { approveTask } from '../../src/usecases/task/approve-task.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { addAgent, alice, newTask } from '../support/tasks.ts';

/* What nobody who asks may run stays in front, however much of it there is. */

const database = await createTestDatabase();
const deps = await createTestDeps(database);
afterAll(() => deps.stop());

let name: string;
beforeEach(() => {
  name = `a-${randomUUID()}`;
});

/** More than is looked at in one go. */
const MANY = 501;
const makeMany = (changes: Partial<NewTask>, count = MANY) => {
  const wanted = Array.from({ length: count }, () => ({ task: newTask(changes), bodyHash: null }));
  return createTasks(deps, alice, wanted, null);
};
const make = async (changes: Partial<NewTask>) => (await createTask(deps, alice, newTask(changes))).id;
const take = async (...agentIds: string[]) => {
  const asks = agentIds.map((agentId) => ({ agentId, maxTasks: 1, requestId: null }));
  return (await claimForAgents(deps, asks)).map(({ taken }) => taken.map(({ task }) => task.id));
};
const dispatch = async (...hostIds: string[]) => {
  const options = { replicaId: randomUUID(), hostIds, lastUsed: null, attemptToken: (id: string) => `token of ${id}` };
  return (await dispatchToHosts(deps, options)).dispatched.map(({ taskId, hostId }) => [taskId, hostId]);
};
const add = (mode: AgentMode) => addAgent(deps.db, name, { mode, labels: [name] });
const says = (column: 'limits' | 'sandboxes' | 'policy' | 'restriction', value: string) =>
  sql`update agents set ${sql.ref(column)} = ${value} where id = ${name}`.execute(deps.db);
const policy = (refusing: object) => JSON.stringify({ allowedCommands: [], deniedPatterns: [], ...refusing });

const REFUSED: [string, Parameters<typeof says>, Partial<NewTask>][] = [
  ['ask for a limit that it can not keep', ['limits', '{}'], { limits: { ...NO_LIMITS, cpuPercent: 50 } }],
  ['ask for a sandbox that it has not', ['sandboxes', '{}'], { sandbox: 'container' }],
  ['have a program that is not allowed there', ['policy', policy({ allowedCommands: ['make'] })], { command: ['rm'] }],
  ['have a command that is denied there', ['policy', policy({ deniedPatterns: ['-rf'] })], { command: ['rm', '-rf'] }],
];

it.each(REFUSED)('an agent is given what stands behind hundreds of tasks that %s', async (_, said, refused) => {
  await add('http_pull');
  await says(...said);
  await makeMany({ requires: [name], ...refused });
  const behind = await make({ requires: [name] });
  expect(await take(name)).toEqual([[behind]]);
});

it.each(REFUSED)('a host is given what stands behind hundreds of tasks that %s', async (_, said, refused) => {
  await add('ssh_cli');
  await says(...said);
  await makeMany({ requires: [name], ...refused });
  const behind = await make({ requires: [name] });
  expect(await dispatch(name)).toEqual([[behind, name]]);
});

it('tasks that name an agent which was restricted since keep nothing from it', async () => {
  await add('http_pull');
  await makeMany({ namedAgentId: name, repository: 'main:alice/old' });
  const behind = await make({ requires: [name], repository: 'main:alice/new' });
  await says('restriction', JSON.stringify({ repositories: ['main:alice/new'], labels: null }));
  expect(await take(name)).toEqual([[behind]]);
});

it('what failed on one agent a moment ago keeps nothing from it that asks together with others', async () => {
  await add('http_pull');
  await addAgent(deps.db, `${name} too`, { labels: [name] });
  const other = await addAgent(deps.db, `other ${name}`, { labels: ['other'] });
  const failed = await makeMany({ requires: [name] });
  const ids = failed.tasks.map(({ id }) => id);
  await sql`update tasks set attempts = 1 where id = any(${ids}::uuid[])`.execute(deps.db);
  await sql`
    insert into avoidances (task_id, agent_id, times, until)
    select id, ${name}, 1, now() + interval '1 hour' from unnest(${ids}::uuid[]) id`.execute(deps.db);
  const behind = await make({ requires: [name] });
  expect(await take(name, other)).toEqual([[behind], []]);
});

it('what one agent may not run keeps nothing from another that asks together with it', async () => {
  const other = await addAgent(deps.db, `other ${name}`, { labels: [`other ${name}`] });
  await add('http_pull');
  await says('limits', '{}');
  await makeMany({ requires: [name], limits: { ...NO_LIMITS, cpuPercent: 50 } });
  const behind = await make({ requires: [`other ${name}`] });
  expect(await take(name, other)).toEqual([[], [behind]]);
});

it('thousands of them are gone through by one claim after the other, and the first ones are looked at by each', async () => {
  await add('http_pull');
  await says('limits', '{}');
  const refused = { requires: [name], limits: { ...NO_LIMITS, cpuPercent: 50 } };
  for (let n = 0; n < 5; n++) await makeMany(refused, 1_000);
  const first = await make({ requires: [name] });
  const claims = [await take(name), await take(name)];
  await makeMany({ ...refused, priority: 10 }, 100);
  const urgent = await make({ requires: [name], priority: 10 });
  while (claims.flat(2).length < 2 && claims.length < 10) claims.push(await take(name));
  expect(claims).toEqual([[[]], [[]], [[urgent]], [[]], [[]], [[first]]]);
});

it('what comes in between is found too, though there is always something behind it', async () => {
  await add('http_pull');
  await says('limits', '{}');
  const refused = { requires: [name], limits: { ...NO_LIMITS, cpuPercent: 50 } };
  await makeMany(refused, 1_200);
  const between = await make({ requires: [name], requiresApproval: true });
  await makeMany(refused, 1_200);
  const behind = [await make({ requires: [name] }), await make({ requires: [name] })];
  const given = async () => (await take(name)).flat();
  expect(await given()).toEqual([]);
  await approveTask(deps, alice, between, [1]);
  deps.random = () => 0;
  expect([await given(), await given()]).toEqual([[behind[0]], [between]]);
});
