/**
 * First figures, absolute and so only good for comparing runs on one quiet machine:
 * dequeue + complete per second over HTTP with 32 agents, and delivery → process started on a warm host.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RECORDED_FORGE_URL, RECORDED_SECRET, recorded } from '../test/support/recordings.ts';
import { startSshd } from '../test/support/sshd.ts';

const ADMIN = 'benchmark-admin-token-0123456789abcdef';
const AGENTS = 32;
const SECONDS = 10;
const ROUNDS = 3;
const STARTS = 40;

const folder = mkdtempSync(join(tmpdir(), 'taskejo-bench-'));
const keepAlive = new Agent({ keepAlive: true, maxSockets: 200 });
let url = '';

type Answer = { status: number; body: unknown };

function call(method: string, path: string, token: string, body?: unknown, headers: Record<string, string> = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const bytes = body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body ?? {}));
    const outgoing = request(
      `${url}${path}`,
      {
        method,
        agent: keepAlive,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: incoming.statusCode ?? 0, body: text === '' ? null : JSON.parse(text) });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(method === 'GET' ? undefined : bytes);
  });
}

async function startServer(sshd: Awaited<ReturnType<typeof startSshd>>): Promise<ChildProcess> {
  const file = join(folder, 'taskejo.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      data_dir: join(folder, 'data'),
      log: { level: 'warn' },
      forges: [{ name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET] }],
      templates: [{ name: 'default', command: ['true'], requires: ['bench-host'] }],
      hosts: [
        {
          id: 'bench',
          address: '127.0.0.1',
          port: sshd.port,
          user: sshd.user,
          private_key: { file: sshd.privateKeyPath },
          host_key: sshd.hostKeyFingerprint,
          labels: ['bench-host'],
          capacity: 100,
        },
      ],
    }),
    { mode: 0o600 },
  );
  const program = new URL('../bin/taskejo.js', import.meta.url).pathname;
  const server = spawn(process.execPath, [program, 'serve', '--config', file, '--listen', '127.0.0.1:0'], {
    env: { ...process.env, TASKEJO_ADMIN_TOKEN: ADMIN },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  url = await new Promise<string>((resolve, reject) => {
    server.once('exit', () => reject(new Error('the server ended')));
    server.stdout?.on('data', (bytes: Buffer) => {
      const found = /listening on (\S+)/.exec(String(bytes));
      if (found?.[1]) resolve(found[1]);
    });
  });
  return server;
}

type Dequeued = { tasks: { attempt: { id: string } }[] };

/** Cycles a second of agents that dequeue one task and complete it, while there are enough of them. */
async function drain(round: number): Promise<number> {
  const label = `round-${round}`;
  const tokens = await Promise.all(
    Array.from({ length: AGENTS }, async (_, n) => {
      const { body } = await call('POST', '/api/v1/tokens', ADMIN, {
        name: `${label} ${n}`,
        scope: 'agent',
        agent_name: `${label}-${n}`,
      });
      const { token, agent_id: id } = body as { token: string; agent_id: string };
      await call('PATCH', `/api/v1/agents/${id}`, ADMIN, { labels: [label] });
      return token;
    }),
  );
  const enough = 12_000;
  await Promise.all(
    Array.from({ length: AGENTS }, async () => {
      for (let i = 0; i < enough / AGENTS; i++) {
        await call('POST', '/api/v1/tasks', ADMIN, { title: 't', command: ['true'], requires: [label] });
      }
    }),
  );
  let cycles = 0;
  const until = performance.now() + SECONDS * 1000;
  await Promise.all(
    tokens.map(async (token) => {
      while (performance.now() < until) {
        const { status, body } = await call('POST', '/api/v1/tasks/dequeue', token, {});
        if (status !== 200) return;
        const id = (body as Dequeued).tasks[0]?.attempt.id;
        const done = await call('POST', `/api/v1/attempts/${id}/complete`, token, {
          outcome: 'completed',
          exit_code: 0,
        });
        if (done.status !== 200) throw new Error(JSON.stringify(done.body));
        cycles++;
      }
    }),
  );
  return cycles / SECONDS;
}

/** Milliseconds from a delivery's POST until its task's process is on record. */
async function deliveryToProcess(n: number): Promise<number> {
  const recording = recorded('v15', 'alice comments: /run fix this please');
  const comment = JSON.parse(recording.body) as { comment: { id: number } };
  comment.comment.id = 1_000_000 + n;
  const bytes = Buffer.from(JSON.stringify(comment));
  const key = await crypto.subtle.importKey(
    'raw',
    Buffer.from(RECORDED_SECRET),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  const signature = Buffer.from(await crypto.subtle.sign('HMAC', key, bytes)).toString('hex');
  const began = performance.now();
  const { body } = await call('POST', '/webhooks/forgejo', '', bytes, {
    'x-forgejo-signature': signature,
    'x-forgejo-event-type': 'issue_comment',
    'x-forgejo-delivery': crypto.randomUUID(),
  });
  const [id] = (body as { task_ids: string[] }).task_ids;
  for (;;) {
    const task = await call('GET', `/api/v1/tasks/${id}`, ADMIN);
    if ((task.body as { attempt: { process: unknown } | null }).attempt?.process) return performance.now() - began;
    await delay(2);
  }
}

const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);
const told = (values: readonly number[]) => {
  const all = sorted(values);
  const at = (share: number) => Math.round(all[Math.min(all.length - 1, Math.floor(all.length * share))] ?? 0);
  return `p50 ${at(0.5)} [${at(0)}..${at(1)}]`;
};

const sshd = await startSshd();
const server = await startServer(sshd);
try {
  await delay(2_000);
  const starts: number[] = [];
  for (let n = 0; n < STARTS; n++) starts.push(await deliveryToProcess(n));
  console.log(`delivery → process started on a warm host, ms: ${told(starts.slice(5))}`);
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) rates.push(await drain(round));
  console.log(`dequeue + complete over HTTP, ${AGENTS} agents, per second: ${told(rates)}`);
} finally {
  server.kill('SIGTERM');
  await new Promise((resolve) => server.once('exit', resolve));
  await sshd.stop();
  keepAlive.destroy();
  rmSync(folder, { recursive: true, force: true });
}
