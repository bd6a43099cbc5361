import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../support/agent.ts';
import type { Bench } from '../support/bench.ts';
import { residentBytes } from '../support/cpu.ts';
import { LABEL } from '../support/prepare.ts';
import { atMost, type FigureRows } from '../support/rows.ts';
import type { Server } from '../support/server.ts';

const LINE = '0123456789abcde\n';
const LOOK_MS = 100;
/** What is kept at least of a long output, at its beginning and at its end. */
const HEAD = 512 * 1024;
const TAIL = 512 * 1024 - LINE.length;
const MEGABYTE = 1e6;

type Task = { id: string; status: string; attempt?: { id: string } | null };

/** A command that prints as fast as it can: what that does to the agent's memory, and whether what is kept is true. */
export async function outputRows({ sizes }: Bench, server: Server, { pid }: Agent): Promise<FigureRows> {
  const total = sizes.agentOutputBytes;
  const resident = () => (residentBytes(pid) ?? Number.NaN) / MEGABYTE;
  const before = resident();
  const began = performance.now();
  const { id } = await server.api<Task>('POST', '/api/v1/tasks', {
    title: 'bench',
    command: ['sh', '-c', `yes ${LINE.trim()} | head -c ${total}`],
    requires: [LABEL],
  });
  let most = before;
  for (let task: Task; ; await delay(LOOK_MS)) {
    most = Math.max(most, resident());
    task = await server.api<Task>('GET', `/api/v1/tasks/${id}`);
    if (task.status === 'completed') break;
    if (task.status === 'failed') throw new Error('the command that prints failed');
  }
  const seconds = (performance.now() - began) / 1000;
  await checkLog(server, id, total);
  const of = `${total / MEGABYTE} MB printed at full speed`;
  return [
    {
      title: `${of}: the agent's memory beside before, at most`,
      unit: 'MB',
      rounds: [most - before],
      goal: atMost(20),
    },
    { title: `${of}: head, tail and count exact, printed`, unit: 'MB/s', rounds: [total / MEGABYTE / seconds] },
  ];
}

/** @throws when the log is not the output, less what it says it leaves out */
async function checkLog({ api, target, adminToken }: Server, taskId: string, total: number): Promise<void> {
  const { items } = await api<{ items: { id: string }[] }>('GET', `/api/v1/tasks/${taskId}/attempts`);
  const path = `/api/v1/attempts/${items[0]?.id}/log/stdout`;
  const answer = await fetch(`http://${target.host}:${target.port}${path}`, {
    headers: { authorization: `Bearer ${adminToken}` },
  });
  const body = Buffer.from(await answer.arrayBuffer());
  const said = (name: string) => answer.headers.get(`taskejo-log-${name}`);
  const head = matching(body, (n) => LINE.charCodeAt(n % LINE.length), body.length);
  const end = (n: number) => LINE.charCodeAt((((total - 1 - n) % LINE.length) + LINE.length) % LINE.length);
  const tail = matching(body.toReversed(), end, body.length);
  // The first word after what is left out may be the end of a secret, and is masked.
  const kept = total - Number(said('left-out')) - LINE.length;
  const isWhole = head + tail >= kept && head >= HEAD && tail >= TAIL;
  if (isWhole && said('bytes') === String(total) && said('complete') === 'true') return;
  const told = JSON.stringify({ head, tail, bytes: said('bytes'), leftOut: said('left-out'), all: said('complete') });
  throw new Error(`the log is not what was printed: ${told}`);
}

function matching(bytes: Uint8Array, at: (n: number) => number, most: number): number {
  let n = 0;
  while (n < most && bytes[n] === at(n)) n++;
  return n;
}
