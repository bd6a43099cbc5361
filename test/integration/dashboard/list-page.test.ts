import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskSource } from '../../../src/domain/task.ts';
import { createTask } from '../../../src/usecases/create/create-task.ts';
import { assignTask } from '../../../src/usecases/task/assign-task.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { type Browsing, browse, textOf } from '../../support/browse.ts';
import { addAgent, alice, failed, newTask, succeeded } from '../../support/tasks.ts';
import { waitFor } from '../../support/wait-for.ts';
import { workOn } from '../../support/worked-task.ts';

let app: TestApp;
let browser: Browsing;
const forge = { name: 'main', url: 'https://forge.example.org', webhook_secrets: ['a secret of the webhook'] };

beforeAll(async () => {
  app = await startTestApp({ openOnLoopback: true, forges: [forge] });
  browser = browse(app);
});
afterAll(() => app.stop());

const rowOf = (page: string, title: string): string =>
  page.split(/<tr |<\/tr>/).find((row) => row.includes(`<bdi>${title}</bdi>`)) ?? '';

describe('the first page before there is a task', () => {
  it('shows the way to the first one', async () => {
    const { text } = await browser.get('/');
    expect(text).toContain('Three steps to the first task');
    expect(text).toContain('None of three is done');
    expect(text).toContain(`<span data-copied>${app.url}/webhooks/forgejo/main</span>`);
    expect(text).toContain('No delivery has arrived yet');
  });

  it('ticks off what has come true', async () => {
    await addAgent(app.deps.db, 'nuc', { online: false });
    expect((await browser.get('/')).text).toContain('<bdi>nuc</bdi> is offline');
    await addAgent(app.deps.db, 'gpu-1', { mode: 'ssh_cli', labels: ['gpu'] });
    const { text } = await browser.get('/');
    expect(text).toContain('One of three is done');
    expect(text).toContain('<bdi>gpu-1</bdi> is online');
  });
});

describe('the list of tasks', () => {
  beforeAll(async () => {
    const source: TaskSource = {
      forge: 'main',
      repository: 'alice/widgets',
      kind: 'issue',
      number: 12,
      event: 'issue_comment',
      sender: 'alice',
      url: 'https://forge.example.org/alice/widgets/issues/12',
      ref: null,
      sha: null,
    };
    await createTask(
      app.deps,
      alice,
      newTask({
        title: 'waits',
        source,
        repository: 'main:alice/widgets',
        template: 'claude',
        requires: ['cuda', 'x'],
      }),
    );
    const named = await createTask(app.deps, alice, newTask({ title: 'is named', priority: 8 }));
    await assignTask(app.deps, alice, named.id, { agentId: 'nuc', executionMode: null });
    const running = await workOn(app.deps, { title: 'runs', priority: 5 });
    await running.take();
    await running.start();
    const done = await workOn(app.deps, { title: 'is done' });
    await done.take();
    await done.start();
    await done.end(succeeded);
    const lost = await workOn(app.deps, { title: 'is lost', repeatable: false });
    await lost.take();
    await lost.start();
    await lost.end({ ...failed(null), outcome: 'lost' });
  });

  it('says of each its status, mode, agent or why it waits, priority and age', async () => {
    const { text } = await waitForCounts('All 5');
    expect(textOf(rowOf(text, 'waits'))).toMatch(
      /pending waits alice\/widgets #12 claude undecided nobody has cuda \+1 3 medium \d s$/,
    );
    expect(rowOf(text, 'waits')).toContain('title="nobody has cuda x"');
    expect(textOf(rowOf(text, 'is named'))).toMatch(/pending is named pull nuc is offline 8 urgent \d s$/);
    expect(textOf(rowOf(text, 'runs'))).toMatch(/running runs pull agent-\d+ 5 high \d s$/);
    expect(textOf(rowOf(text, 'is done'))).toMatch(/completed is done pull agent-\d+ 3 medium \d s$/);
    expect(textOf(rowOf(text, 'is lost'))).toMatch(/lost is lost pull agent-\d+ 3 medium \d s$/);
  });

  it('counts each status, and shows one of them', async () => {
    const { text } = await waitForCounts('All 5');
    expect(textOf(text)).toContain('All 5 Pending 2 Assigned 0 Running 1 Completed 1 Failed 1 Cancelled 0');
    const failedOnes = (await browser.get('/?status=failed')).text;
    expect(failedOnes).toContain('href="/?status=failed" aria-current="true"');
    expect(titlesOf(failedOnes)).toEqual(['is lost']);
    expect((await browser.get('/?status=cancelled')).text).toContain('No task matches.');
    expect(titlesOf((await browser.get('/?status=nonsense')).text)).toHaveLength(5);
  });

  it('is newest first, or in the order of the queue', async () => {
    await waitForCounts('All 5');
    expect(titlesOf((await browser.get('/')).text)).toEqual(['is lost', 'is done', 'runs', 'is named', 'waits']);
    const queue = titlesOf((await browser.get('/?sort=rank')).text);
    expect(queue.slice(0, 2)).toEqual(['is named', 'waits']);
  });

  it('goes on on further pages, by links that keep what was chosen', async () => {
    for (let i = 0; i < 60; i++) await createTask(app.deps, alice, newTask({ title: `one of many ${i}`, priority: 0 }));
    const first = await waitForCounts('All 65');
    expect(titlesOf(first.text)).toHaveLength(50);
    const older = /rel="next" href="([^"]+)"/.exec(first.text)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const second = (await browser.get(older)).text;
    expect(titlesOf(second)).toHaveLength(15);
    expect(second).toContain('href="/">First page</a>');
    expect(new Set([...titlesOf(first.text), ...titlesOf(second)]).size).toBe(65);
    const pending = (await browser.get('/?status=pending&sort=rank')).text;
    const next = /rel="next" href="([^"]+)"/.exec(pending)?.[1]?.replaceAll('&amp;', '&') ?? '';
    expect(next).toMatch(/^\/\?status=pending&sort=rank&cursor=/);
    expect(titlesOf((await browser.get(next)).text)).toHaveLength(12);
  });

  it('says what is wrong with a page that is not there', async () => {
    const { status, text } = await browser.get('/?cursor=nonsense');
    expect([status, text.includes('<h1>The request is not valid</h1>')]).toEqual([422, true]);
  });

  it('with style and scripts is less than 100 kB', async () => {
    const { text } = await browser.get('/');
    const loaded = [...text.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? '');
    const files = await Promise.all(loaded.map(async (path) => (await browser.get(path)).text));
    expect(titlesOf(text)).toHaveLength(50);
    expect([text, ...files].reduce((sum, file) => sum + Buffer.byteLength(file), 0)).toBeLessThan(100_000);
  });
});

const titlesOf = (page: string): string[] =>
  [...page.matchAll(/data-row><bdi>([^<]*)<\/bdi>/g)].map(([, title]) => title ?? '');

/** Counts are shared and may be half a second old. */
const waitForCounts = (text: string) =>
  waitFor(async () => {
    const page = await browser.get('/');
    return textOf(page.text).includes(text) && page;
  });
