import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskSource } from '../../../src/domain/task.ts';
import { createTask } from '../../../src/usecases/create/create-task.ts';
import { assignTask } from '../../../src/usecases/task/assign-task.ts';
import { cancelTask } from '../../../src/usecases/task/cancel-task.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { type Browsing, browse, textOf } from '../../support/browse.ts';
import { addAgent, alice, failed, newTask, succeeded } from '../../support/tasks.ts';
import { workOn } from '../../support/worked-task.ts';

let app: TestApp;
let browser: Browsing;
beforeAll(async () => {
  app = await startTestApp({ openOnLoopback: true });
  browser = browse(app);
});
afterAll(() => app.stop());

const part = (page: string, id: string): string => page.split(`id="${id}"`)[1]?.split('</section>')[0] ?? '';
const pageOf = async (id: string, query = '') => (await browser.get(`/tasks/${id}${query}`)).text;
const lineIds = (page: string) => [...page.matchAll(/<div id="([LE]\d+|gap-[^"]+)"/g)].map(([, id]) => id);

describe('the page of a task', () => {
  it.each(['not-an-id', '01a1fee3-30e1-7535-a210-853fe733b900', "1' or '1'='1"])('%s is not there', async (id) => {
    const { status, text } = await browser.get(`/tasks/${encodeURIComponent(id)}`);
    expect([status, text.includes('There is no such task.')]).toEqual([404, true]);
  });

  it('that waits says why, and what helps', async () => {
    await addAgent(app.deps.db, 'a-0', { labels: ['x'] });
    const { id } = await createTask(
      app.deps,
      alice,
      newTask({ title: 'Fix it', requires: ['cuda'], input: 'secret?' }),
    );
    const page = await pageOf(id);
    expect(textOf(page)).toContain('Fix it Cancel… pending for 0 s asked by alice Why it waits');
    expect(textOf(part(page, 'now'))).toMatch(
      /No host or agent has all the labels that it needs. cuda It starts when .* labels_nobody_has/,
    );
    expect(textOf(part(page, 'about'))).toContain('Goes to undecided: SSH or pull, whoever can first');
    expect(textOf(part(page, 'history'))).toMatch(/\d\d:\d\d:\d\d Created by alice/);
    expect(page).toContain('What it runs');
  });

  it('that was assigned says to whom', async () => {
    await addAgent(app.deps.db, 'a-1', { online: false });
    const { id } = await createTask(app.deps, alice, newTask());
    await assignTask(app.deps, alice, id, { agentId: 'a-1', executionMode: null });
    const page = await pageOf(id);
    expect(textOf(part(page, 'now'))).toContain('a-1 is offline. It starts when a-1 is back. offline');
    expect(textOf(part(page, 'about'))).toContain('Agent a-1 only, pull');
  });

  it('that runs shows its progress, its log and who has it', async () => {
    const work = await workOn(app.deps, { timeoutSeconds: 600 });
    await work.take();
    await work.start();
    await work.progress(62, 'test 310 of 498');
    await work.print('\x1b[32mgreen\x1b[0m\nnot end');
    await work.print('oops\n', 'stderr');
    await work.print('ed\n');
    const page = await pageOf(work.task.id);
    expect(textOf(part(page, 'now'))).toMatch(/62% test 310 of 498 stops at the latest in (10|9) min/);
    expect(textOf(part(page, 'about'))).toContain('Process 4711 on agent-');
    expect(lineIds(page)).toEqual(['L1', 'E1', 'L2']);
    expect(page).toContain('<span class="green">green</span>');
    expect(textOf(page)).toContain('30 bytes so far');
    expect(page).toContain('data-follow');
    const errors = await pageOf(work.task.id, '?stream=stderr');
    expect(lineIds(errors)).toEqual(['E1']);
    expect(textOf(errors)).toContain('5 bytes so far');
    await cancelTask(app.deps, alice, work.task.id, 'not needed');
    const asked = await pageOf(work.task.id);
    expect(textOf(part(asked, 'now'))).toContain('Asked to stop: not needed');
    expect(asked).not.toContain('Cancel…');
  });

  it('that completed shows what came out', async () => {
    const work = await workOn(app.deps);
    await work.take();
    await work.start();
    const usage = { cost_usd: 0.421, input_tokens: 18_204, cpu_seconds: 1.25, max_rss_bytes: 612e6, of_tomorrow: 1 };
    await work.end({ ...succeeded, summary: 'It is\nfixed.', output: { pull_request: 57 }, usage });
    const page = await pageOf(work.task.id);
    expect(textOf(part(page, 'now'))).toBe(
      '> Result It is fixed. Output JSON { &quot;pull_request&quot;: 57 } Cost $0.42 Tokens in 18,204 CPU 1.3 s Peak memory 612 MB',
    );
    expect(textOf(page)).toContain('It printed nothing.');
    expect(page).not.toContain('data-follow');
  });

  it('that failed says so in a sentence', async () => {
    const work = await workOn(app.deps);
    await work.take();
    await work.start();
    await work.end(failed('exit', 2));
    const page = await pageOf(work.task.id);
    expect(textOf(part(page, 'now'))).toBe('> Result The command ended with exit code 2');
    expect(textOf(part(page, 'history'))).toContain('Failed: exit code 2');
  });

  it('that was cancelled before it started says so', async () => {
    const { id } = await createTask(app.deps, alice, newTask({ requires: ['nobody'] }));
    await cancelTask(app.deps, alice, id, 'a mistake');
    const page = await pageOf(id);
    expect(textOf(part(page, 'now'))).toContain('It was cancelled before it started: a mistake.');
    expect((await browser.get(`/tasks/${id}/cancel`)).location).toBe(`/tasks/${id}`);
  });

  it('with several attempts has one for each, the last one first', async () => {
    const work = await workOn(app.deps);
    await work.take();
    await work.start();
    await work.print('first try\n');
    await work.end({ ...succeeded, outcome: 'lost', exitCode: null, error: 'went silent' });
    await app.deps.db.deleteFrom('avoidances').execute();
    await work.take();
    await work.start();
    await work.print('second try\n');
    const page = await pageOf(work.task.id);
    expect(textOf(part(page, 'tabs').split('</nav>')[0] ?? '')).toMatch(
      /Attempt 2 on agent-\d+ Attempt 1 lost on agent/,
    );
    expect(page).toContain('second try');
    expect(page).not.toContain('first try');
    const first = await pageOf(work.task.id, '?attempt=1');
    expect(first).toContain('first try');
    expect(first).toContain('href="?attempt=1#L1"');
    expect(textOf(part(page, 'history'))).toContain('went silent. Pending again');
  });

  it('shows of a long log the end, and any other line that is linked', async () => {
    const work = await workOn(app.deps);
    await work.take();
    await work.start();
    await work.print(Array.from({ length: 10_000 }, (_, i) => `line ${i + 1}\n`).join(''));
    const page = await pageOf(work.task.id);
    expect(lineIds(page)).toHaveLength(4000);
    expect(lineIds(page).at(-1)).toBe('L10000');
    expect(page).toContain('href="?line=L6001#L6001">Earlier lines</a>');
    const middle = await pageOf(work.task.id, '?line=L120');
    expect(lineIds(middle)).toContain('L120');
    expect(middle).toContain('Later lines');
    expect(middle).toContain('log=none');
    expect(middle).not.toContain('data-follow');
  });

  it('marks what was left out, and offers the rest to keep', async () => {
    const work = await workOn(app.deps);
    await work.take();
    await work.start();
    await work.print('one\n');
    work.leaveOut(184_320);
    await work.print('two\n');
    await work.print('oops\n', 'stderr');
    const page = await pageOf(work.task.id);
    expect(lineIds(page)).toEqual(['L1', 'gap-stdout-1', 'L2', 'E1']);
    expect(textOf(page)).toContain('184,320 bytes were left out between the beginning and the end. The numbers after');
    const { headers, text } = await browser.get(`/tasks/${work.task.id}/log?attempt=1`);
    expect(text).toBe('one\n\n[184320 bytes left out]\ntwo\noops\n');
    expect(headers.get('content-disposition')).toMatch(/^attachment; filename="task-[0-9a-f]{8}-1\.log"$/);
    expect((await browser.get(`/tasks/${work.task.id}/log?attempt=1&stream=stderr`)).text).toBe('oops\n');
    await work.end(succeeded);
    expect(textOf(await pageOf(work.task.id))).not.toContain('The numbers after');
  });

  it('has a log for nobody to keep before there is one', async () => {
    const { id } = await createTask(app.deps, alice, newTask({ requires: ['nobody'] }));
    expect((await browser.get(`/tasks/${id}/log`)).status).toBe(404);
  });
});

describe('text from the world', () => {
  const hostile = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\u202eevil\u0007';

  it('is shown as text wherever it stands', async () => {
    const source: TaskSource = {
      forge: 'main',
      repository: hostile,
      kind: 'push',
      number: null,
      event: hostile,
      sender: hostile,
      url: 'javascript:alert(1)',
      ref: hostile,
      sha: null,
    };
    const work = await workOn(app.deps, {
      title: hostile,
      template: hostile,
      input: hostile,
      command: [hostile],
      environment: { LANG: hostile },
      repository: `main:${hostile}`,
      source,
      createdBy: { kind: 'forge', id: 'main', name: hostile },
    });
    await work.take();
    await work.start();
    await work.progress(50, hostile);
    await work.print(`${hostile}\n`);
    const running = await pageOf(work.task.id);
    await work.end({ ...succeeded, summary: hostile, output: { [hostile]: hostile } });
    const pages = [running, await pageOf(work.task.id), (await browser.get('/')).text];
    for (const page of pages) {
      expect(page).not.toMatch(/<script>|<img|javascript:/);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that it is there would be the mistake
      expect(page).not.toMatch(/\u202e|\u0007/);
      expect(page).toContain('&lt;script&gt;');
    }
    expect(running).not.toContain('LANG=');
  });

  it('is a link only to the web', async () => {
    const url = 'https://forge.example.org/alice/widgets/issues/12';
    const source: TaskSource = {
      forge: 'main',
      repository: 'alice/widgets',
      kind: 'issue',
      number: 12,
      event: 'issues',
      sender: 'alice',
      url,
      ref: null,
      sha: null,
    };
    const { id } = await createTask(app.deps, alice, newTask({ source }));
    expect(await pageOf(id)).toContain(`<a href="${url}" rel="noreferrer"><bdi>alice/widgets #12</bdi></a>`);
  });
});
