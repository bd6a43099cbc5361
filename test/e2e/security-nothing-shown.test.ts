import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../src/contract/task.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { listProcesses } from '../support/proc.ts';
import { describeIf } from '../support/require.ts';
import { startTwoWays, type TwoWays, WAYS } from '../support/two-ways.ts';
import { waitFor } from '../support/wait-for.ts';

/** Found nowhere but where it was given. */
const hush = (what: string) => `hush-${what}-${crypto.randomUUID()}`;
const INPUT = hush('input');
const VALUE = hush('value');
const CONFIGURED = hush('configured');
const ADMIN = hush('admin-token-long-enough');
const BAD_TOKEN = hush('bad-token');

describeIf('sshd', 'nothing secret', () => {
  let two: TwoWays;
  beforeAll(async () => {
    const environment = { CONFIGURED: { secret: 'KEY' } };
    const template = {
      name: 'ask',
      command: ['sh', '-c', 'cat >/dev/null; env; while [ ! -f "$GO" ]; do sleep 0.05; done'],
    };
    two = await startTwoWays({
      configuration: {
        secrets: { KEY: { value: CONFIGURED, templates: ['ask'] } },
        templates: [{ ...template, environment }],
        log: { level: 'debug', format: 'json' },
      },
      server: { FOREIGN: ADMIN },
    });
  });
  afterAll(() => two?.stop());

  const everythingStored = async (): Promise<string> => {
    const { db, close } = openDatabase({ connectionString: two.server.databaseUrl, max: 1 });
    try {
      const tables = await db.introspection.getTables();
      const rows = [];
      for (const { name } of tables)
        rows.push(
          await db
            .selectFrom(name as 'tasks')
            .selectAll()
            .execute(),
        );
      return JSON.stringify(rows);
    } finally {
      await close();
    }
  };

  describe.each(WAYS)('of a command that runs %s', (way) => {
    it('is in the list of processes, in a log of ours, in an event or in what a viewer reads', async () => {
      const go = `${two.folder}/go-${way}`;
      const body = { title: 'hush', template: 'ask', requires: [way], input: INPUT, environment: { VALUE, GO: go } };
      const { id } = await two.server.api<Task>('POST', '/api/v1/tasks', body);
      const seen = new Set<string>();
      let over = false;
      const watching = (async () => {
        for (; !over; await delay(5)) for (const one of listProcesses()) seen.add(one.arguments);
      })();
      const running = await two.tasks.until(id, ({ attempt }) => attempt?.process !== null && attempt !== null, {
        timeoutMs: 60_000,
      });
      writeFileSync(go, '');
      const task = await two.tasks.ended(id, { timeoutMs: 60_000 });
      over = true;
      await watching;
      expect(task.result).toMatchObject({ outcome: 'completed' });

      const processes = [...seen].join('\n');
      expect(processes).toContain(running.attempt?.id);
      const log = await two.tasks.printed(task.attempt?.id ?? '');
      expect(log).toContain(`CONFIGURED=${'*'.repeat(CONFIGURED.length)}`);
      expect(log).toMatch(/^TASKEJO_TOKEN=\*{83}$/m);
      // What the task itself was given, it may print.
      expect(log).toContain(`VALUE=${VALUE}`);
      const events = JSON.stringify(await two.tasks.events(id));
      await waitFor(() => two.server.log().includes(id));
      const logs = two.server.log() + two.agent.log();
      for (const secret of [INPUT, VALUE, CONFIGURED]) {
        for (const text of [processes, events, logs]) expect(text.includes(secret)).toBe(false);
      }
      expect(/tkj_[a-z]+_[A-Za-z0-9_-]{40}/.test(processes + events + logs)).toBe(false);
      expect((await everythingStored()).includes(CONFIGURED)).toBe(false);
    });
  });

  it('comes back in an answer that refuses it', async () => {
    const ask = async (method: string, path: string, body: string | null, token = two.server.adminToken) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const response = await fetch(`${two.server.url}${path}`, { method, headers, body });
      expect(response.status).toBeGreaterThanOrEqual(400);
      return response.text();
    };
    const answers = [
      await ask('GET', '/api/v1/tasks', null, BAD_TOKEN),
      await ask('POST', '/api/v1/tasks', `{"title": "${VALUE}"`),
      await ask(
        'POST',
        '/api/v1/tasks',
        JSON.stringify({ title: 't', command: ['true'], environment: { LD_X: VALUE } }),
      ),
      await ask(
        'POST',
        '/api/v1/tasks',
        JSON.stringify({ title: 't', command: ['true'], environment: { A: [VALUE] } }),
      ),
      await ask('POST', '/api/v1/tasks', JSON.stringify({ title: 't', command: ['true'], input: { a: VALUE } })),
      await ask('POST', '/api/v1/tasks', JSON.stringify({ title: 't', template: 'ask', input_base64: VALUE })),
      await ask('POST', '/api/v1/tokens', JSON.stringify({ name: 'x', scope: VALUE })),
      await ask('POST', '/webhooks/forgejo', JSON.stringify({ VALUE })),
    ];
    for (const secret of [VALUE, BAD_TOKEN, CONFIGURED]) expect(answers.join().includes(secret)).toBe(false);
    const logs = two.server.log();
    for (const secret of [BAD_TOKEN, two.server.adminToken, ADMIN, CONFIGURED])
      expect(logs.includes(secret)).toBe(false);
  });
});
