import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { expectHealthy } from './examine.ts';
import { RECORDED_FORGE_URL, RECORDED_SECRET, type Recording } from './recordings.ts';
import { type ServerProcess, startServerProcess } from './serve.ts';
import { hostEntryOf } from './ssh-host.ts';
import type { Sshd } from './sshd.ts';

export type Accepted = { delivery_id: string; decision: string; reason: string; task_ids: string[] };

/**
 * A real server for the recorded forge: one template `build` that requires `labels`, and one host `box` with the label
 * `linux`. Leases are short, so that tests that wait for one don't wait long. Its test ends with a look for breaches.
 */
export async function startConfiguredServer(
  sshd: Sshd | null,
  template: { command: string[]; requires: string[]; input?: string; repeatable?: boolean },
  how: { embedded?: boolean } = {},
): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'taskejo-config-'));
  const file = join(folder, 'taskejo.yaml');
  const configuration = {
    forges: [{ name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET] }],
    templates: [{ name: 'build', timeout_seconds: 60, ...template }],
    hosts: sshd ? [hostEntryOf(sshd, { id: 'box', labels: ['linux'], capacity: 2 })] : [],
    leases: { seconds: 6, renew_seconds: 1, sweep_seconds: 1 },
    dispatch: { pull_after_seconds: 1 },
    ssh: { probe_seconds: 1 },
  };
  writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 });
  const server = await startServerProcess({ TASKEJO_CONFIG: file }, how);
  onTestFinished(async () => {
    await expectHealthy(server).finally(() => server.stop());
    rmSync(folder, { recursive: true, force: true });
  });
  return server;
}

/** Sends a delivery exactly as it was recorded, unless the body is changed. */
export async function deliver(
  server: ServerProcess,
  recording: Recording,
  body: string = recording.body,
): Promise<{ status: number; answer: Accepted }> {
  const headers = recording.headers.filter(
    ([name]) => !/^(host|content-length|connection|accept-encoding)$/i.test(name),
  );
  const response = await fetch(`${server.url}/webhooks/forgejo`, { method: 'POST', headers, body });
  return { status: response.status, answer: (await response.json()) as Accepted };
}
