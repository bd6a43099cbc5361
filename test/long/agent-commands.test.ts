import { expect, test } from 'vitest';
import type { Agent } from '../../src/contract/agent.ts';
import { commandsFor } from '../support/command-line.ts';
import { playAgent } from '../support/played-agent.ts';
import { serverOfFile } from '../support/server-of-file.ts';

const { server } = await serverOfFile();
const agent = await playAgent(server, 'player', ['played', 'linux']);
const { cli, ok } = commandsFor(server);
const shown = async () => JSON.parse(await ok('agents', 'show', 'player', '--json')) as Agent;

test('agents are listed, and shown by id or by name', async () => {
  const list = await ok('agents', 'list');
  expect(list.split('\n')[0]).toMatch(/^ID +NAME +MODE +STATE +TAKEN +SEEN +LABELS +WHY$/);
  const { id } = await shown();
  expect(list).toMatch(new RegExp(`^${id} +player +http_pull +\\S+ +0/9 .*played`, 'm'));
  expect(await ok('agents', 'show', id)).toMatch(/^player\n +id +\S+\n +mode +http_pull\n[\s\S]*places +0 of 9 taken/);
  const { items } = JSON.parse(await ok('agents', 'list', '--json')) as { items: Agent[] };
  expect(items.map(({ name }) => name)).toEqual(['player']);
  expect(await cli(['agents', 'show', 'nobody'])).toMatchObject({
    code: 1,
    stderr: 'taskejo: there is no agent nobody\n',
  });
});

test('an agent is cordoned with a reason and let back', async () => {
  expect(await ok('agents', 'cordon', 'player', '--reason', 'a new disk')).toBe(
    'agent player is cordoned, 0 of 9 places taken',
  );
  expect(await shown()).toMatchObject({ state: 'cordoned', cordon_reason: 'a new disk' });
  expect(await ok('agents', 'list')).toContain('a new disk');
  expect(await ok('agents', 'show', 'player')).toMatch(/cordoned +a new disk/);
  await ok('agents', 'uncordon', 'player');
  expect(await shown()).toMatchObject({ cordon_reason: null });
});

test('draining waits until nothing runs there any more, and says how much does', async () => {
  await ok('task', 'create', '--title', 'Last one', '--require', 'played', '--', 'true');
  const attempt = await agent.take();
  const draining = cli(['agents', 'drain', 'player', '--wait']);
  await expect.poll(async () => (await shown()).draining).toBe(true);
  await agent.end(attempt, { outcome: 'completed', exit_code: 0 });
  expect(await draining).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^agent player is \w+, draining, 0 of 9 places taken\n$/),
  });
  await ok('agents', 'undrain', 'player');
  expect(await shown()).toMatchObject({ draining: false });
});

test('what an agent can do is changed, and it is deleted', async () => {
  await ok('agents', 'change', 'player', '--label', 'other', '--capacity', '2');
  expect(await shown()).toMatchObject({ labels: ['other'], capacity: 2 });
  const nothing = await cli(['agents', 'change', 'player']);
  expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining('say what is to be changed') });
  expect(await ok('agents', 'delete', 'player')).toBe('agent player is deleted');
  expect(await cli(['agents', 'list'])).toMatchObject({ code: 0, stdout: '', stderr: 'no agents\n' });
});
