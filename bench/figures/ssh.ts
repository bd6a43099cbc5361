import { createHmac } from 'node:crypto';
import { mkdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RECORDED_FORGE_URL, RECORDED_SECRET, recorded } from '../../test/support/recordings.ts';
import { hostEntryOf } from '../../test/support/ssh-host.ts';
import { type Sshd, startSshd } from '../../test/support/sshd.ts';
import type { Bench } from '../support/bench.ts';
import type { Figure } from '../support/figure.ts';
import { atMost, type FigureRows, quantile } from '../support/rows.ts';
import type { Server } from '../support/server.ts';
import { durableRows } from './ssh-durable.ts';
import { atOnceRows, execRows } from './ssh-exec.ts';
import { lineRows } from './ssh-lines.ts';

const WARM_STARTS = 5;
const LOOK_MS = 2;
const PROBED_MS = 2_000;

/** What runs over SSH: short scripts, a hundred tasks at once, a delivery's way to its process, a line's to the server. */
export const ssh: Figure = {
  name: 'ssh',
  title: "hosts over SSH: beside the ssh client, many at once, a delivery → its task's process",
  async run(bench) {
    const sshd = await startSshd();
    bench.parts.defer(() => sshd.stop());
    const beside = [...(await execRows(bench)), ...(await durableRows(bench)), ...(await atOnceRows(bench, sshd))];
    await using server = await bench.startServer('ssh', configuration(bench, sshd));
    await delay(PROBED_MS);
    const starts = await startRows(bench, server);
    bench.say('… starts done');
    return [...beside, ...starts, ...(await lineRows(bench, server))];
  },
};

async function startRows({ folder, sizes }: Bench, server: Server): Promise<FigureRows> {
  const began: Started[] = [];
  for (let n = 0; n < WARM_STARTS + sizes.sshStarts; n++)
    began.push(await deliveryToProcess(server, marksIn(folder), n));
  const warm = began.slice(WARM_STARTS);
  const running = warm.map(({ runningMs }) => runningMs);
  const recorded = warm.map(({ recordedMs }) => recordedMs);
  return [
    { title: 'delivery sent → process runs, p50', unit: 'ms', rounds: [quantile(running, 0.5)], goal: atMost(50) },
    { title: 'delivery sent → process runs, p99', unit: 'ms', rounds: [quantile(running, 0.99)] },
    { title: 'delivery sent → process on record, p50', unit: 'ms', rounds: [quantile(recorded, 0.5)] },
  ];
}

/** Where the command of a delivery leaves its mark. */
const marksIn = (folder: string): string => join(folder, 'marks');

function configuration({ folder }: Bench, sshd: Sshd): string {
  const file = join(folder, 'ssh.yaml');
  const host = hostEntryOf(sshd, { id: 'bench', labels: ['bench-host'], capacity: 100 });
  const forge = { name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET] };
  mkdirSync(marksIn(folder));
  const template = { name: 'default', command: ['touch', join(marksIn(folder), 'mark')], requires: ['bench-host'] };
  writeFileSync(file, JSON.stringify({ forges: [forge], templates: [template], hosts: [host] }), { mode: 0o600 });
  return file;
}

type Started = { runningMs: number; recordedMs: number };

/** Asks for nothing before the process is seen to run: the server has other things to do. */
async function deliveryToProcess({ api, target }: Server, marks: string, n: number): Promise<Started> {
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
  const marked = Promise.withResolvers<number>();
  const watcher = watch(marks, () => marked.resolve(performance.now()));
  const began = performance.now();
  const answer = await fetch(`http://${target.host}:${target.port}/webhooks/forgejo`, {
    method: 'POST',
    headers,
    body,
  });
  const { task_ids: ids } = (await answer.json()) as { task_ids?: string[] };
  if (ids?.[0] === undefined) throw new Error(`the delivery made no task: ${answer.status}`);
  const runningMs = (await marked.promise) - began;
  watcher.close();
  const task = () => api<{ status: string; attempt: { process: unknown } | null }>('GET', `/api/v1/tasks/${ids[0]}`);
  while (!(await task()).attempt?.process) await delay(LOOK_MS);
  const recordedMs = performance.now() - began;
  while ((await task()).status !== 'completed') await delay(10 * LOOK_MS);
  rmSync(join(marks, 'mark'));
  return { runningMs, recordedMs };
}
