import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadAgentConfig } from '../../../src/agent/config.ts';
import { loadConfig } from '../../../src/config.ts';
import { agentConfiguration, serverConfiguration } from '../../../src/demo/configuration.ts';
import { fingerprint, makeKey, publicBlob } from '../../../src/demo/ssh-keys.ts';
import { temporaryFolder } from '../../support/temporary.ts';

test("the demo's files are accepted by the programs that read them", async () => {
  const folder = temporaryFolder();
  const key = makeKey();
  const write = (name: string, content: string) => writeFileSync(join(folder, name), content, { mode: 0o600 });
  write('webhook-secret', 'a secret');
  write('host-access-key', key.private);
  write('registration-token', 'a token');
  const access = { port: 2222, user: 'somebody', hostKey: fingerprint(publicBlob(key.public)) };
  write('taskejo.yaml', JSON.stringify(serverConfiguration(folder, access), null, 2));
  write('agent.yaml', JSON.stringify(agentConfiguration(folder, 'http://127.0.0.1:7070')));

  const config = await loadConfig({ file: join(folder, 'taskejo.yaml'), env: {} });
  const agent = await loadAgentConfig({ file: join(folder, 'agent.yaml'), env: {} });

  const hostLabels = config.hosts.flatMap(({ labels }) => labels);
  const wanted = config.forgejo.templates.map(({ definition }) => [definition.name, definition.requires[0]]);
  expect(Object.fromEntries(wanted)).toEqual({ lint: 'build', check: 'build', reproduce: 'lab', fix: 'editor' });
  expect({ hostLabels, agentLabels: agent.labels }).toEqual({ hostLabels: ['build'], agentLabels: ['lab'] });
});
