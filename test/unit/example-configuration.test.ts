import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateConfiguration } from '../../docs/generate-configuration.ts';
import { loadAgentConfig } from '../../src/agent/config.ts';
import { loadConfig } from '../../src/config.ts';
import { makeKey } from '../../src/demo/ssh-keys.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'taskejo-example-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('the example of a configuration file loads, and means what it says', async () => {
  const file = join(folder, 'taskejo.yaml');
  await copyFile(new URL('../../docs/taskejo.example.yaml', import.meta.url), file);
  await mkdir(join(folder, 'keys'));
  await writeFile(join(folder, 'keys', 'gpu-1'), makeKey().private);
  await writeFile(join(folder, 'keys', 'anthropic'), 'a key\n');
  const config = await loadConfig({ file, env: { FORGEJO_WEBHOOK_SECRET: 'a secret' } });
  expect(config.databaseUrl).toBeNull();
  expect(config.dataDir).toBe(join(folder, 'data'));
  expect(config.hosts.map((host) => host.id)).toEqual(['gpu-1']);
  expect(config.forgejo.forges[0]?.webhookSecrets).toEqual(['a secret']);
  expect(config.forgejo.templates.map((template) => template.name)).toEqual(['build', 'claude']);
  expect(config.forgejo.rules).toHaveLength(2);
  expect(config.secrets.get('ANTHROPIC_API_KEY')).toMatchObject({ value: 'a key', templates: ['claude'] });
});

test("the example of an agent's configuration file loads", async () => {
  const file = fileURLToPath(new URL('../../docs/agent.example.yaml', import.meta.url));
  const config = await loadAgentConfig({ file, env: { TASKEJO_REGISTRATION_TOKEN: 'a secret', LANG: 'C' } });
  expect(config.server.registrationToken).toBe('a secret');
  expect(config).toMatchObject({ name: hostname(), labels: ['linux'], capacity: 3, environment: { LANG: 'C' } });
});

test('what the example of an agent has commented out may be said as it stands there', async () => {
  const text = await readFile(new URL('../../docs/agent.example.yaml', import.meta.url), 'utf8');
  const instead = text.replace(/^ {2}registration_token: .*$/m, '').replace('  # token: {file: token}', '  token: t');
  const said = instead.replace(/^( *)# ((?:[a-z_]+:| {2}[a-z_]+: ).*)$/gm, '$1$2');
  const file = join(folder, 'agent.yaml');
  await writeFile(file, said, { mode: 0o600 });
  const config = await loadAgentConfig({ file, env: { LANG: 'C' } });
  expect(config).toMatchObject({ name: 'laptop', policy: { allowedCommands: ['claude', 'codex', 'make'] } });
  expect(config.policy.deniedPatterns).toEqual(['\\bsudo\\b']);
  expect(config).toMatchObject({ container: { image: 'debian:13' }, environment: { LANG: 'C', MAKEFLAGS: '-j4' } });
  expect(config).toMatchObject({ stateDir: '/var/lib/taskejo-agent', stopGraceSeconds: 30, killGraceSeconds: 10 });
});

test('the page about the configuration has a line for each key', async () => {
  const page = await generateConfiguration();
  for (const key of [
    'listen',
    'pull_after_seconds',
    'host_key',
    'webhook_secrets',
    'repeatable',
    'label',
    'registration_token',
  ]) {
    expect(page).toContain(`| \`${key}\` |`);
  }
  expect(page).toContain('| `seconds` | number from 0.05 | `30` |');
  expect(page).not.toContain('| any |');
});
