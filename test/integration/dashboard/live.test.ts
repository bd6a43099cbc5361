import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createToken } from '../../../src/usecases/access/create-token.ts';
import { revokeToken } from '../../../src/usecases/access/revoke-token.ts';
import { createTask } from '../../../src/usecases/create/create-task.ts';
import { cancelTask } from '../../../src/usecases/task/cancel-task.ts';
import { startTestApp, type TestApp } from '../../support/app.ts';
import { type Browsing, browse, textOf } from '../../support/browse.ts';
import { type LiveMessage, liveAddress, livePage } from '../../support/live-page.ts';
import { quickestMs } from '../../support/quick-enough.ts';
import { alice, newTask, succeeded } from '../../support/tasks.ts';
import { waitFor } from '../../support/wait-for.ts';
import { workOn } from '../../support/worked-task.ts';

let app: TestApp;
let browser: Browsing;
beforeAll(async () => {
  app = await startTestApp({ openOnLoopback: true });
  browser = browse(app);
});
afterAll(() => app.stop());

const says = (text: string) => (message: LiveMessage) => textOf(message.data).includes(text);
const isHello = ({ event }: LiveMessage) => event === 'hello';
const isLog = ({ event }: LiveMessage) => event === 'log';
const open = async (path: string) => {
  const live = await livePage(browser, liveAddress((await browser.get(path)).text));
  await live.next(isHello);
  return live;
};
const isNews = ({ event, data }: LiveMessage) => event === 'message' && data !== '';

describe('the list', () => {
  it('comes in place of the first steps with the first task', async () => {
    const live = await open('/');
    await createTask(app.deps, alice, newTask({ title: 'the first', requires: ['nobody'] }));
    expect((await live.next(says('the first'))).data).toContain('<div id="content" class="width" data-kind="tasks">');
  });

  it('that a page has is not sent again: only what changes, within a second', async () => {
    const live = await open('/');
    const create = (n: number) => createTask(app.deps, alice, newTask({ title: `new ${n}`, requires: ['nobody'] }));
    const ms = await quickestMs(1_000, async (n) => {
      await create(n);
      const came = await live.next(says(`new ${n}`));
      expect(came.data).toContain('<tbody id="rows" data-list>');
      expect(came.data).not.toContain('the first');
      expect(came.data.match(/data-same/g)).toHaveLength(n);
    });
    expect(ms).toBeLessThan(1_000);
    const { id } = await create(0);
    await cancelTask(app.deps, alice, id, null);
    expect(textOf((await live.next(says('cancelled'))).data)).toContain('Cancelled 1');
  });

  it('is sent whole to a page that has something else', async () => {
    const live = await livePage(browser, '/live?seen=of-yesterday');
    await live.next(isHello);
    expect((await live.next(isNews)).data).toContain('<div id="content"');
  });

  it('goes on after the stream was lost with what the page had last', async () => {
    const live = await open('/');
    await createTask(app.deps, alice, newTask({ title: 'before the loss', requires: ['nobody'] }));
    const last = await live.next(says('before the loss'));
    live.close();
    await createTask(app.deps, alice, newTask({ title: 'while it was lost', requires: ['nobody'] }));
    const again = await livePage(browser, '/live?seen=of-yesterday', last.id);
    await again.next(says('while it was lost'));
  });

  it('is not sent more often than four times a second', async () => {
    const live = await open('/');
    const began = performance.now();
    for (let i = 0; i < 40; i++)
      await createTask(app.deps, alice, newTask({ title: `quick ${i}`, requires: ['nobody'] }));
    await live.next(says('quick 39'));
    const seconds = (performance.now() - began) / 1000;
    expect(live.messages.filter(isNews).length).toBeLessThanOrEqual(2 + 4 * seconds);
  });
});

describe('the page of a task', () => {
  const running = async () => {
    const work = await workOn(app.deps);
    await work.take();
    await work.start();
    return work;
  };

  it('changes with the task, from waiting to its end', async () => {
    const work = await workOn(app.deps);
    const live = await open(`/tasks/${work.task.id}`);
    await work.take();
    await live.next(says('assigned'));
    await work.start();
    await live.next(says('running'));
    await work.progress(40, 'nearly half');
    await live.next(says('40% nearly half'));
    await work.end(succeeded);
    await live.next(says('Completed, exit code 0'));
  });

  it('shows what is printed within half a second', async () => {
    const work = await running();
    const live = await open(`/tasks/${work.task.id}`);
    const ms = await quickestMs(500, async (n) => {
      await work.print(`hello ${n}\n`);
      expect((await live.next(isLog)).data).toContain(`<div id="L${n}" class="line">`);
    });
    expect(ms).toBeLessThan(500);
  });

  it('grows a line that had not ended, under the same name', async () => {
    const work = await running();
    await work.print('\x1b[31mdown');
    const live = await open(`/tasks/${work.task.id}`);
    await work.print('load');
    expect((await live.next(isLog)).data).toContain('<div id="L1" class="line">');
    await work.print('ed\nnext');
    const last = await live.next(says('downloaded'));
    expect(last.data).toContain('<span class="red">downloaded</span>');
    expect(last.data).toContain('<div id="L2"');
    expect(last.data).toContain('<span class="red">next</span>');
  });

  it('misses nothing and repeats nothing when the stream is lost and comes back', async () => {
    const work = await running();
    await work.print('one\n');
    const path = liveAddress((await browser.get(`/tasks/${work.task.id}`)).text);
    const first = await livePage(browser, path);
    await first.next(isHello);
    await work.print('two\nthr');
    const last = await first.next(isLog);
    first.close();
    await work.print('ee\nfour\n');
    const second = await livePage(browser, path, last.id);
    const ids = async () => (await second.next(says('four'))).data.match(/id="[LE]\d+"/g);
    expect(await ids()).toEqual(['id="L3"', 'id="L4"']);
  });

  it('shows both streams, or the one that was chosen', async () => {
    const work = await running();
    const both = await open(`/tasks/${work.task.id}`);
    const errors = await open(`/tasks/${work.task.id}?stream=stderr`);
    await work.print('out\n');
    await work.print('oops\n', 'stderr');
    await waitFor(() => both.messages.some(says('out')) && both.messages.some(says('oops')));
    expect((await errors.next(isLog)).data).toContain('id="E1" class="line err"');
    expect(errors.messages.filter(isLog)).toHaveLength(1);
  });

  it('goes over to a new attempt, unless one was chosen', async () => {
    const work = await running();
    await work.print('first try\n');
    const [newest, chosen] = [await open(`/tasks/${work.task.id}`), await open(`/tasks/${work.task.id}?attempt=1`)];
    await work.end({ ...succeeded, outcome: 'lost', exitCode: null });
    await app.deps.db.deleteFrom('avoidances').execute();
    await work.take();
    await work.start();
    await work.print('second try\n');
    await waitFor(() => newest.messages.some(({ data }) => data.includes('<section id="attempts"')));
    await waitFor(() => newest.messages.some(says('second try')));
    await chosen.next(says('Attempt 2'));
    expect(chosen.messages.some(says('second try'))).toBe(false);
  });

  it('lets the agent know that somebody watches, as long as somebody does', async () => {
    const work = await running();
    const live = await open(`/tasks/${work.task.id}`);
    await waitFor(() => app.deps.followers.has(work.attemptId()));
    live.close();
    await waitFor(() => !app.deps.followers.has(work.attemptId()));
  });

  it('shows the end of a log: how much it is, and that nothing comes any more', async () => {
    const work = await running();
    const live = await open(`/tasks/${work.task.id}`);
    await work.end(succeeded);
    const foot = await live.next((message) => message.data.includes('id="log-foot" data-complete'));
    expect(textOf(foot.data)).toContain('It printed nothing.');
    await waitFor(() => !app.deps.followers.has(work.attemptId()));
  });

  it('takes no position that is not its own', async () => {
    const [mine, other] = [await running(), await running()];
    await other.print('of another task\n');
    const live = await livePage(
      browser,
      `/tasks/${mine.task.id}/live?seen=x&log=${other.attemptId()}~0.1.0000~0.1.0000`,
    );
    await live.next((message) => message.data.includes('<section id="attempts"'));
    await mine.print('mine\n');
    await live.next(says('mine'));
    expect(live.messages.some(says('of another task'))).toBe(false);
    const nonsense = await livePage(browser, `/tasks/${mine.task.id}/live?seen=x&log=nonsense~1~'`);
    await nonsense.next(says('mine'));
  });
});

describe('a stream', () => {
  it('tells a browser that may not look to load the page again', async () => {
    const closed = await startTestApp();
    const live = await livePage(browse(closed), '/live');
    await live.next(({ event }) => event === 'reload');
    await waitFor(live.ended);
    await closed.stop();
  });

  it('ends for a viewer whose token was revoked, before long', async () => {
    const closed = await startTestApp();
    const made = await createToken(closed.deps, { name: 'v', scope: 'viewer', expiresInSeconds: null });
    const viewer = browse(closed);
    await viewer.signIn(made.secret);
    const live = await livePage(viewer, '/live');
    await live.next(isHello);
    await revokeToken(closed.deps, made.token.id);
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 16_000);
    onTestFinished(() => clock.mockRestore());
    await live.next(({ event }) => event === 'reload');
    await waitFor(live.ended);
    await closed.stop();
  });

  it('ends when the server stops', async () => {
    const stopping = await startTestApp({ openOnLoopback: true });
    const live = await livePage(browse(stopping), '/live');
    await live.next(isHello);
    stopping.beginToStop();
    await waitFor(live.ended);
    await stopping.stop();
    expect(stopping.logged.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('ends when the database is away, and says so once', async () => {
    const broken = await startTestApp({ openOnLoopback: true });
    const live = await livePage(browse(broken), '/live');
    await live.next(isHello);
    await broken.database.close();
    await waitFor(live.ended);
    const ends = broken.logged.filter(({ message }) => message.includes('live page'));
    expect(ends).toHaveLength(1);
    await broken.stop();
  });

  it('has a page in its place that says so while the database is away', async () => {
    const broken = await startTestApp({ openOnLoopback: true });
    await broken.database.close();
    const { status, text } = await browse(broken).get('/');
    expect([status, textOf(text).includes('The database does not answer now.')]).toEqual([503, true]);
    await broken.stop();
  });

  it('leaves nothing behind in the log of the server', () => {
    expect(app.logged.filter(({ level }) => level !== 'debug')).toEqual([]);
  });
});
