import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findServer } from '../../src/config/running-server.ts';
import type { AuditEvent } from '../../src/contract/audit.ts';
import { startServerProcess } from '../support/serve.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

test('which configuration a server goes by, and which it refused, is written down without what is secret in it', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'taskejo.yaml');
  const secret = `hush-${crypto.randomUUID()}`;
  const secrets = { KEY: { value: secret, templates: ['ask'] } };
  const right = { secrets, templates: [{ name: 'ask', command: ['ask'] }] };
  writeFileSync(file, JSON.stringify(right), { mode: 0o600 });
  const server = await startServerProcess({ TASKEJO_CONFIG: file });
  onTestFinished(() => server.stop());
  const acts = async (type: string) => {
    const { items } = await server.api<{ items: AuditEvent[] }>('GET', '/api/v1/audit?limit=200');
    return items.filter((act) => act.type === type);
  };
  const hangUp = () => process.kill(findServer(server.dataDir) ?? Number.NaN, 'SIGHUP');

  const [first, ...others] = await acts('configuration_loaded');
  expect([first?.data, others]).toEqual([{ file, hosts: [] }, []]);
  expect(first?.actor).toMatchObject({ kind: 'server', scope: null });

  writeFileSync(file, JSON.stringify({ ...right, hosts: [{ id: 'x', adress: secret }] }), { mode: 0o600 });
  hangUp();
  const [refused] = await waitFor(async () => {
    const found = await acts('configuration_refused');
    return found.length > 0 && found;
  });
  expect(refused?.data).toMatchObject({ file, cause: expect.stringContaining('unknown key "adress"') });
  expect(JSON.stringify(refused)).not.toContain(secret);

  writeFileSync(file, JSON.stringify(right), { mode: 0o600 });
  hangUp();
  await waitFor(async () => (await acts('configuration_loaded')).length === 2);
});
