import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createToken } from '../../../src/usecases/access/create-token.ts';
import { revokeToken } from '../../../src/usecases/access/revoke-token.ts';
import { createTask } from '../../../src/usecases/create/create-task.ts';
import { ADMIN_TOKEN, startTestApp, type TestApp } from '../../support/app.ts';
import { browse } from '../../support/browse.ts';
import { alice, newTask } from '../../support/tasks.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());

describe('a page', () => {
  it.each(['/', '/?status=running', '/tasks/01a1fee3-30e1-7535-a210-853fe733b900?attempt=1'])(
    '%s sends who is not signed in to sign in and back',
    async (path) => {
      const { status, location } = await browse(app).get(path);
      expect([status, location]).toEqual([303, `/login?${new URLSearchParams({ next: path })}`]);
    },
  );

  it('has a strict policy, and asks nothing of others', async () => {
    const { headers, text } = await browse(app).get('/login');
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('private, no-cache');
    expect(text).not.toMatch(/ style="|<style| on[a-z]+="|<script>|https?:\/\//);
  });

  it('loads style and scripts that are kept for ever', async () => {
    const { text } = await browse(app).get('/login');
    const assets = [...text.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? '');
    expect(assets.length).toBeGreaterThan(3);
    for (const path of assets) {
      const { status, headers } = await browse(app).get(path);
      expect([path, status, headers.get('cache-control')]).toEqual([path, 200, 'public, max-age=31536000, immutable']);
    }
    expect((await browse(app).get(`${assets[0]}x`)).status).toBe(404);
  });

  it('leaves what is not a page to the API', async () => {
    expect((await browse(app).get('/api/v1/nothing')).headers.get('content-type')).toContain(
      'application/problem+json',
    );
    expect((await browse(app).get('/tasks')).status).toBe(404);
  });
});

describe('signing in', () => {
  it.each(['viewer', 'coordinator', 'admin'] as const)('by a token of scope %s opens the pages', async (scope) => {
    const browser = browse(app);
    const { status, location } = await browser.signIn(await app.token(scope), '/?status=failed');
    expect([status, location]).toEqual([303, '/?status=failed']);
    const page = await browser.get('/');
    expect(page.status).toBe(200);
    expect(page.text).toContain(`<bdi>${scope}</bdi>`);
  });

  it('by the token that the operator has set opens the pages', async () => {
    const browser = browse(app);
    expect((await browser.signIn(ADMIN_TOKEN)).status).toBe(303);
    expect((await browser.get('/')).status).toBe(200);
  });

  it('sets a cookie that scripts and other sites do not get', async () => {
    const browser = browse(app);
    await browser.signIn(await app.token('viewer'));
    const cookie = browser.setCookies.find((text) => text.startsWith('taskejo_session=')) ?? '';
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(cookie).not.toContain('tkj_');
  });

  it('sets one that travels by https only where people come by https', async () => {
    const secure = await startTestApp({ publicUrl: 'https://tasks.example.org' });
    const browser = browse(secure);
    await browser.signIn(await secure.token('viewer'));
    expect(browser.setCookies.at(-1)).toMatch(/; HttpOnly; Secure; SameSite=Lax$/);
    await secure.stop();
  });

  it.each(['agent', 'register'] as const)('by a token of scope %s is refused', async (scope) => {
    const page = await browse(app).signIn(await app.token(scope, 'signs-in'));
    expect(page.status).toBe(403);
    expect(page.text).toContain('This token is for programs');
  });

  it('by no token of ours is refused, and the page says so', async () => {
    const browser = browse(app);
    const page = await browser.signIn('tkj_viewer_nobody', '/?status=failed');
    expect(page.status).toBe(401);
    expect(page.text).toContain('The token is not known here');
    expect(page.text).toContain('name="next" value="/?status=failed"');
    expect(browser.cookies.has('taskejo_session')).toBe(false);
    expect(page.text).not.toContain('tkj_viewer_nobody');
  });

  it('with many bad tokens is refused for a while', async () => {
    const strict = await startTestApp({ badTokensPerMinute: 2 });
    const browser = browse(strict);
    const tries = [];
    for (let i = 0; i < 4; i++) tries.push((await browser.signIn('wrong')).status);
    expect(tries).toEqual([401, 401, 429, 429]);
    expect((await browser.signIn(await strict.token('viewer'))).status).toBe(303);
    await strict.stop();
  });

  it('leads to no other site', async () => {
    const { location } = await browse(app).signIn(await app.token('viewer'), '//evil.example/');
    expect(location).toBe('/');
  });

  it('ends by signing out', async () => {
    const browser = browse(app);
    await browser.signIn(await app.token('viewer'));
    const { status, location } = await browser.submit(await browser.get('/'), '/logout');
    expect([status, location]).toEqual([303, '/login']);
    expect((await browser.get('/')).status).toBe(303);
  });
});

describe('a session', () => {
  it('ends when its token is revoked', async () => {
    const { token, secret } = await createToken(app.deps, { name: 'carol', scope: 'viewer', expiresInSeconds: null });
    const browser = browse(app);
    await browser.signIn(secret);
    expect((await browser.get('/')).status).toBe(200);
    await revokeToken(app.deps, token.id);
    expect((await browser.get('/')).status).toBe(303);
  });

  it('that was changed is none', async () => {
    const browser = browse(app);
    await browser.signIn(await app.token('viewer'));
    const [id, expires, mac] = (browser.cookies.get('taskejo_session') ?? '').split('.');
    browser.cookies.set('taskejo_session', [id, Number(expires) + 1, mac].join('.'));
    expect((await browser.get('/')).status).toBe(303);
  });
});

describe('a form', () => {
  const signedIn = async (scope: 'viewer' | 'coordinator') => {
    const browser = browse(app);
    await browser.signIn(await app.token(scope));
    return browser;
  };
  const cancelForm = async (browser: ReturnType<typeof browse>) => {
    const { id } = await createTask(app.deps, alice, newTask({ requires: ['nobody'] }));
    const action = `/tasks/${id}/cancel`;
    return { action, page: await browser.get(action), id };
  };
  const statusOf = async (id: string) => (await app.call('GET', `/api/v1/tasks/${id}`)).json.status;

  it('of another browser is refused', async () => {
    const [mine, hers] = [await signedIn('coordinator'), await signedIn('coordinator')];
    const { action, page, id } = await cancelForm(mine);
    const answer = await hers.submit(page, action);
    expect([answer.status, await statusOf(id)]).toEqual([403, 'pending']);
    expect(answer.text).toContain('was not made for this browser');
  });

  it('without its token is refused', async () => {
    const browser = await signedIn('coordinator');
    const { action, page, id } = await cancelForm(browser);
    expect((await browser.submit(page, action, { form_token: '' })).status).toBe(403);
    expect(await statusOf(id)).toBe('pending');
  });

  it.each<[string, Record<string, string>]>([
    ['another site', { origin: 'https://evil.example' }],
    ['a site that hides itself', { origin: 'null' }],
  ])('that comes from %s is refused', async (_, headers) => {
    const browser = await signedIn('coordinator');
    const { action, page, id } = await cancelForm(browser);
    expect((await browser.submit(page, action, {}, headers)).status).toBe(403);
    expect(await statusOf(id)).toBe('pending');
  });

  it('that is too long is refused', async () => {
    const browser = await signedIn('coordinator');
    const { action, page } = await cancelForm(browser);
    expect((await browser.submit(page, action, { reason: 'x'.repeat(20_000) })).status).toBe(413);
  });

  it('to cancel is not made for a viewer, nor taken from one', async () => {
    const browser = await signedIn('viewer');
    const { action, page, id } = await cancelForm(browser);
    expect(page.status).toBe(403);
    expect((await browser.get(`/tasks/${id}`)).text).not.toContain('Cancel…');
    const withForm = await browser.get('/');
    const token = /name="form_token" value="([^"]+)"/.exec(withForm.text)?.[1] ?? '';
    expect((await browser.submit(page, action, { form_token: token })).status).toBe(403);
    expect(await statusOf(id)).toBe('pending');
  });
});

describe('pages that are open on this machine', () => {
  let open: TestApp;
  beforeAll(async () => {
    open = await startTestApp({ openOnLoopback: true });
  });
  afterAll(() => open.stop());

  it('can be read and used to cancel without signing in', async () => {
    const browser = browse(open);
    const { id } = await createTask(open.deps, alice, newTask());
    const asked = await browser.get(`/tasks/${id}/cancel`);
    expect((await browser.submit(asked, `/tasks/${id}/cancel`, { reason: 'enough' })).status).toBe(303);
    expect((await browser.get(`/tasks/${id}`)).text).toContain(
      'Cancelled by <bdi>this machine</bdi>: <bdi>enough</bdi>',
    );
  });

  it.each<[string, Record<string, string>]>([
    ['a proxy speaks for somebody', { 'x-forwarded-for': '203.0.113.9' }],
    ['another name was made to point here', { host: 'evil.example' }],
  ])('are closed when %s', async (_, headers) => {
    expect((await requestWith(open.url, headers)).status).toBe(303);
  });
});

/** The client of Node sets the Host header itself; this one lets it be said. */
async function requestWith(url: string, headers: Record<string, string>): Promise<{ status: number }> {
  const { request } = await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number }>();
  request(url, { headers }, (response) => {
    response.resume();
    resolve({ status: response.statusCode ?? 0 });
  })
    .on('error', reject)
    .end();
  return promise;
}
