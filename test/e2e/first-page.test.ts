import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Task } from '../../src/contract/task.ts';
import { openPage, sidewaysPx, startChromium, type Watched } from '../support/chromium.ts';
import { type PlayedAgent, playAgent } from '../support/played-agent.ts';
import { describeIf } from '../support/require.ts';
import { type ServerProcess, startServerProcess } from '../support/serve.ts';
import { waitFor } from '../support/wait-for.ts';

describeIf('chromium', 'the pages in a browser', (path) => {
  let server: ServerProcess;
  let browser: Browser;
  let agent: PlayedAgent;
  let cookies: string;
  let watched: Watched[] = [];

  beforeAll(async () => {
    [server, browser] = await Promise.all([startServerProcess(), startChromium(path)]);
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });
  beforeEach(async () => {
    for (const one of watched) await one.close();
    watched = [];
  });

  /** A page of somebody who is signed in. */
  const open = async (address: string, options: Parameters<typeof openPage>[2] = {}) => {
    const one = await openPage(browser, server.url, { cookies, ...options });
    watched.push(one);
    await one.page.goto(address);
    return one;
  };
  const create = (title: string, more: Record<string, unknown> = {}) =>
    server.api<Task>('POST', '/api/v1/tasks', { title, command: ['true'], requires: ['browser'], ...more });
  const taken = async (title: string, more = {}) => {
    const task = await create(title, more);
    const attemptId = await agent.take();
    return { task, attemptId };
  };

  it('let in who has a token, and show the first steps until a task appears by itself', async () => {
    const first = await openPage(browser, server.url);
    watched.push(first);
    const { page } = first;
    await page.goto('/?status=');
    await page.getByLabel('Token').fill(server.adminToken);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Three steps to the first task' }).waitFor();
    expect(page.url()).toBe(`${server.url}/?status=`);
    cookies = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
    agent = await playAgent(server, 'laptop', ['browser']);
    await page.getByText('laptop is online').waitFor();
    await create('Say hello', { requires: ['nobody'] });
    await page.getByRole('link', { name: 'Say hello' }).waitFor();
    expect(first.breaches).toEqual([]);
  });

  it('show a task that changes by itself, in the list and on its own page', async () => {
    const list = await open('/');
    const task = await create('Build the handbook');
    const row = list.page.locator(`#t-${task.id}`);
    await row.getByText('pending').waitFor();
    const own = await open(`/tasks/${task.id}`);
    await own.page.getByRole('heading', { name: 'Why it waits' }).waitFor();
    const attemptId = await agent.take();
    await row.getByText('assigned').waitFor();
    await agent.start(attemptId);
    await agent.progress(attemptId, 40, 'half of it');
    await row.getByText('running').waitFor();
    await own.page.getByText('half of it').waitFor();
    expect(await own.page.locator('progress').getAttribute('value')).toBe('40');
    await agent.end(attemptId, { outcome: 'completed', exit_code: 0, summary: 'The handbook is built.' });
    await row.getByText('completed').waitFor();
    await own.page.getByText('The handbook is built.').waitFor();
    await own.page.getByText('Completed, exit code 0').waitFor();
    expect([...list.breaches, ...own.breaches]).toEqual([]);
  });

  it('show what is printed as it comes, and follow it until somebody scrolls up', async () => {
    const { task, attemptId } = await taken('Print a lot');
    await agent.start(attemptId);
    const { page, breaches } = await open(`/tasks/${task.id}`);
    await page.locator('#live', { hasText: 'Live' }).waitFor();
    await agent.print(attemptId, '\x1b[32mgreen\x1b[0m and pla');
    await page.locator('#L1', { hasText: 'green and pla' }).waitFor();
    await agent.print(attemptId, 'in\n');
    await page.locator('#L1', { hasText: 'green and plain' }).waitFor();
    expect(await page.locator('#L1 .green').textContent()).toBe('green');
    await agent.print(attemptId, 'oops\n', 'stderr');
    await page.locator('#E1.err', { hasText: 'oops' }).waitFor();
    const many = (from: number) => Array.from({ length: 100 }, (_, i) => `line ${from + i}\n`).join('');
    await agent.print(attemptId, many(2));
    await waitFor(() =>
      page.locator('#L101').evaluate((line) => line.getBoundingClientRect().bottom < innerHeight * 2),
    );
    const lines = page.locator('#lines');
    const fromEnd = () => lines.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);
    await waitFor(async () => (await fromEnd()) < 24);
    await lines.evaluate((box) => box.scrollTo(0, 0));
    await page.getByRole('button', { name: 'Follow', exact: true }).waitFor();
    await agent.print(attemptId, many(102));
    await page.locator('#L201').waitFor({ state: 'attached' });
    expect(await lines.evaluate((box) => box.scrollTop)).toBe(0);
    await page.getByRole('button', { name: 'Follow', exact: true }).click();
    await waitFor(async () => (await fromEnd()) < 24);
    await agent.end(attemptId, { outcome: 'completed', exit_code: 0 });
    await page.getByRole('button', { name: /Follow/ }).waitFor({ state: 'hidden' });
    expect(breaches).toEqual([]);
  });

  it('lead to a line that is linked, wherever it is in the log', async () => {
    const { task, attemptId } = await taken('Print very much');
    await agent.start(attemptId);
    await agent.print(attemptId, Array.from({ length: 9_000 }, (_, i) => `line ${i + 1}\n`).join(''));
    const { page } = await open(`/tasks/${task.id}#L120`);
    await page.locator('#L120').waitFor();
    await waitFor(() => page.locator('#L120').evaluate((line) => line.matches(':target')));
    expect(new URL(page.url()).search).toBe('?line=L120');
    await page.getByRole('link', { name: 'line 121', exact: true }).click();
    await page.waitForURL(/attempt=1.*#L121$/);
    await agent.end(attemptId, { outcome: 'completed', exit_code: 0 });
  });

  it('execute nothing that comes from the world, and break no rule of their policy', async () => {
    const hostile =
      '<script>alert(1)</script><img src=x onerror=alert(2)>"\'><svg onload=alert(3)>\u202egnp\x1b]0;x\x07\x1b[2J';
    const { task, attemptId } = await taken(hostile, { input: hostile, command: ['echo', hostile] });
    await agent.start(attemptId);
    const list = await open('/');
    const own = await open(`/tasks/${task.id}`);
    await own.page.locator('#live', { hasText: 'Live' }).waitFor();
    await agent.progress(attemptId, 10, hostile);
    await agent.print(attemptId, `${hostile}\n<b>not bold</b>\n`);
    await agent.print(attemptId, `${hostile}\n`, 'stderr');
    await own.page.locator('#L2', { hasText: '<b>not bold</b>' }).waitFor();
    await agent.end(attemptId, {
      outcome: 'failed',
      exit_code: 1,
      error: hostile,
      summary: hostile,
      output: { [hostile]: 1 },
    });
    await own.page.locator('#standing', { hasText: 'failed' }).waitFor();
    await list.page.locator(`#t-${task.id}`).getByText('failed').waitFor();
    for (const { page, breaches } of [list, own]) {
      expect(await page.locator('main img, main script, main svg[onload], main b:has-text("not bold")').count()).toBe(
        0,
      );
      expect(await page.locator('body').innerText()).not.toMatch(/(?![\n\t])[\p{Cc}\p{Bidi_Control}]/u);
      expect(breaches).toEqual([]);
    }
    expect(await own.page.locator('h1').innerText()).toContain('⟨U+202E⟩gnp␛]0;x␇');
  });

  it('cancel a task after they have asked, in a dialog', async () => {
    const task = await create('Cancel me', { requires: ['nobody'] });
    const { page, breaches } = await open(`/tasks/${task.id}`);
    await page.getByRole('link', { name: 'Cancel…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('It has not started and never will.').waitFor();
    await dialog.getByRole('link', { name: 'Leave it' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.keyboard.press('c');
    await dialog.getByLabel('Why').fill('not needed');
    await dialog.getByRole('button', { name: 'Cancel the task' }).click();
    await page.getByText('Cancelled by TASKEJO_ADMIN_TOKEN: not needed').waitFor();
    expect(await page.getByRole('link', { name: 'Cancel…' }).count()).toBe(0);
    expect(breaches).toEqual([]);
  });

  it('do all but change by themselves without JavaScript', async () => {
    const task = await create('Cancel me too', { requires: ['nobody'] });
    const { page } = await open('/', { javaScriptEnabled: false });
    await page.getByRole('link', { name: /^Pending/ }).click();
    await page.getByRole('link', { name: 'Cancel me too' }).click();
    expect(await page.locator('footer').innerText()).toContain('Reload the page for what is new');
    expect(await page.getByRole('button', { name: 'Keyboard' }).isVisible()).toBe(false);
    await page.getByRole('link', { name: 'Cancel…' }).click();
    expect(page.url()).toBe(`${server.url}/tasks/${task.id}/cancel`);
    await page.getByRole('button', { name: 'Cancel the task' }).click();
    expect(page.url()).toBe(`${server.url}/tasks/${task.id}`);
    expect(await page.locator('#standing').innerText()).toContain('cancelled');
    await page.getByRole('button', { name: 'Sign out' }).click();
    expect(page.url()).toBe(`${server.url}/login`);
  });

  it('can be used with the keyboard alone, and keep the cursor when the list changes', async () => {
    const below = await create('Second from above', { requires: ['nobody'] });
    await create('First from above', { requires: ['nobody'] });
    const { page } = await open('/');
    await page.locator('#live', { hasText: 'Live' }).waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await create('New above all', { requires: ['nobody'] });
    await page.getByRole('link', { name: 'New above all' }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe(`a-${below.id}`);
    await server.api('POST', `/api/v1/tasks/${below.id}/cancel`, {});
    await page.locator(`#t-${below.id}`).getByText('cancelled').waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe(`a-${below.id}`);
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('next task').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/tasks/${below.id}`);
  });

  it.each(['light', 'dark'] as const)('fit on a phone, in %s', async (colorScheme) => {
    const long = 'Regenerate-the-fixtures-after-the-change-of-the-schema-and-of-all-that-hangs-on-it '.repeat(3);
    const { task, attemptId } = await taken(long, { template: undefined });
    await agent.start(attemptId);
    await agent.print(attemptId, `${'a-very-long-word'.repeat(40)}\n${'\x1b[41mx'.repeat(300)}\n`);
    const { page } = await open('/', { viewport: { width: 375, height: 700 }, colorScheme });
    const addresses = [
      '/',
      '/?status=assigned',
      `/tasks/${task.id}`,
      `/tasks/${task.id}/cancel`,
      '/login',
      '/tasks/none',
    ];
    for (const address of addresses) {
      await page.goto(address);
      expect([address, await sidewaysPx(page)]).toEqual([address, 0]);
    }
    await page.goto('/?status=cancelled');
    const tab = page.locator('.tabs [aria-current]');
    expect(await tab.evaluate((link) => link.getBoundingClientRect().right < innerWidth + 1)).toBe(true);
    await agent.end(attemptId, { outcome: 'completed', exit_code: 0 });
  });

  it('say since when they are not live while the server is away, keep what they show, and catch up', async () => {
    const { page } = await open('/');
    await page.locator('#live', { hasText: 'Live' }).waitFor();
    const titles = await page.locator('[data-row]').count();
    const restarted = server.killAndRestart();
    await page.getByText(/^Not live since \d\d:\d\d, trying again$/).waitFor();
    expect(await page.locator('[data-row]').count()).toBe(titles);
    await restarted;
    await create('Made after the restart', { requires: ['nobody'] });
    await page.getByRole('link', { name: 'Made after the restart' }).waitFor();
    await page.locator('#live', { hasText: /^Live$/ }).waitFor();
  });
});
