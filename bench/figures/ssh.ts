import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RECORDED_FORGE_URL, RECORDED_SECRET, recorded } from '../../test/support/recordings.ts';
import { hostEntryOf } from '../../test/support/ssh-host.ts';
import { type Sshd, startSshd } from '../../test/support/sshd.ts';
import type { Bench } from '../support/bench.ts';
import type { Figure } from '../support/figure.ts';
import { atMost, quantile } from '../support/rows.ts';
import type { Server } from '../support/server.ts';
import { durableRows } from './ssh-durable.ts';
import { atOnceRows, execRows } from './ssh-exec.ts';

const WARM_STARTS = 5;
const LOOK_MS = 2;
const PROBED_MS = 2_000;

/** What runs over SSH: short scripts, a hundred tasks at once, and from a forge's delivery to the process it was for. */
export const ssh: Figure = {
  name: 'ssh',
  title: "hosts over SSH: beside the ssh client, many at once, a delivery → its task's process",
  async run(bench) {
    const sshd = await startSshd();
    bench.parts.defer(() => sshd.stop());
    const beside = [...(await execRows(bench)), ...(await durableRows(bench)), ...(await atOnceRows(bench, sshd))];
    await using server = await bench.startServer('ssh', configuration(bench, sshd));
    await delay(PROBED_MS);
    const times: number[] = [];
    for (let n = 0; n < WARM_STARTS + bench.sizes.sshStarts; n++) times.push(await deliveryToProcess(server, n));
    const warm = times.slice(WARM_STARTS);
    return [
      ...beside,
      { title: 'delivery sent → process on record, p50', unit: 'ms', rounds: [quantile(warm, 0.5)], goal: atMost(50) },
      { title: 'delivery sent → process on record, p99', unit: 'ms', rounds: [quantile(warm, 0.99)] },
    ];
  },
};

function configuration({ folder }: Bench, sshd: Sshd): string {
  const file = join(folder, 'ssh.yaml');
  const host = hostEntryOf(sshd, { id: 'bench', labels: ['bench-host'], capacity: 100 });
  const forge = { name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET] };
  const template = { name: 'default', command: ['true'], requires: ['bench-host'] };
  writeFileSync(file, JSON.stringify({ forges: [forge], templates: [template], hosts: [host] }), { mode: 0o600 });
  return file;
}

async function deliveryToProcess({ api, target }: Server, n: number): Promise<number> {
  const comment = JSON.parse(recorded('v15', 'alice comments: /run fix this please').body) as {
    comment: { id: number };
  };
  comment.comment.id = 1_000_000 + n;
  const body = JSON.stringify(comment);
  const headers = {
    'content-type': 'application/json',
    'x-forgejo-signature': createHmac('sha256', RECORDED_SECRET).update(body).digest('hex'),
    'x-forgejo-event-type': 'issue_comment',
    'x-forgejo-delivery': crypto.randomUUID(),
  };
  const began = performance.now();
  const answer = await fetch(`http://${target.host}:${target.port}/webhooks/forgejo`, {
    method: 'POST',
    headers,
    body,
  });
  const { task_ids: ids } = (await answer.json()) as { task_ids?: string[] };
  if (ids?.[0] === undefined) throw new Error(`the delivery made no task: ${answer.status}`);
  for (;;) {
    const task = await api<{ attempt: { process: unknown } | null }>('GET', `/api/v1/tasks/${ids[0]}`);
    if (task.attempt?.process) return performance.now() - began;
    await delay(LOOK_MS);
  }
}
