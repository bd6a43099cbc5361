import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { taskejo } from '../support/command-line.ts';
import { temporaryFolder } from '../support/temporary.ts';

test('init writes an example that only its owner may read, and never over a file that is there', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'mine.yaml');
  const made = await taskejo(['agent', 'init', '--config', file]);
  expect(made.code).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const example = readFileSync(new URL('../../docs/agent.example.yaml', import.meta.url), 'utf8');
  expect(readFileSync(file, 'utf8')).toBe(example);
  writeFileSync(file, 'mine');
  const again = await taskejo(['agent', '--config', file, 'init']);
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('nothing was changed')]);
  expect(readFileSync(file, 'utf8')).toBe('mine');
  expect((await taskejo(['agent', 'init', '--config', file, '--force'])).code).toBe(0);
  expect(readFileSync(file, 'utf8')).toBe(example);
});

test('config, and a start, say all that is wrong with the settings, with its place', async () => {
  const file = join(temporaryFolder(), 'agent.yaml');
  writeFileSync(file, 'server: {url: "ftp://x"}\nlabls: [linux]\ncapacity: 0\n');
  chmodSync(file, 0o600);
  const env = { TASKEJO_AGENT_POLL__WAIT_SECONDS: '61' };
  const lines = [
    `${file}:1:15 server.url: must be an http or https address`,
    `${file}:2:1 labls: unknown key "labls", did you mean labels?`,
    `${file}:3:11 capacity: must be at least 1`,
    'TASKEJO_AGENT_POLL__WAIT_SECONDS poll.wait_seconds: must be at most 60',
  ];
  for (const words of [
    ['agent', 'config', '--config', file],
    ['agent', '--config', file],
  ]) {
    const { code, stderr } = await taskejo(words, { env });
    expect(code).toBe(2);
    for (const line of lines) expect(stderr).toContain(line);
  }
});
