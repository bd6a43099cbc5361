import { Hono } from 'hono';
import { AppError, ERROR_CODES } from '../../domain/errors.ts';
import type { PageContext, PageEnv } from '../deps.ts';
import { type Html, html } from '../html.ts';
import { formField, layout } from '../layout.ts';
import { forAnybody, readForm, smallForm } from '../pages.ts';
import { nextPath } from './next-path.ts';
import { visitorOf } from './visitor.ts';

/** Signing in with a token, and out again. */
export const loginRoutes = (): Hono<PageEnv> =>
  new Hono<PageEnv>()
    .get('/login', ...forAnybody, (c) => c.html(loginPage(c, nextPath(c.req.query('next')), null)))
    .post('/login', ...forAnybody, smallForm, signIn)
    .post('/logout', ...forAnybody, smallForm, signOut);

const loginPage = (c: PageContext, next: string, error: string | null): Html =>
  layout(c, {
    title: 'Sign in',
    live: null,
    main: html`<div class="width form"><form class="box question" method="post" action="/login">
${formField(c)}<input type="hidden" name="next" value="${next}">
<h1>Sign in</h1>
${error === null ? null : html`<p id="error" class="bad" role="alert">${error}</p>`}
<label for="token">Token</label>
<input id="token" name="token" type="password" required autofocus autocomplete="current-password" spellcheck="false"${error === null ? null : html` aria-invalid="true" aria-describedby="error"`}>
<p class="soft">Of scope <code>viewer</code>, <code>coordinator</code> or <code>admin</code>. An admin makes one with <code>taskejo token create NAME --scope viewer</code>; the server has kept the first in <code>admin-token</code> in its data directory.</p>
<div class="end"><button type="submit" class="filled">Sign in</button></div>
</form></div>`,
  });

async function signIn(c: PageContext): Promise<Response> {
  const fields = await readForm(c);
  const next = nextPath(fields.next);
  try {
    const { signIn, clientAddress } = c.get('dashboard');
    const principal = await signIn.principalOf(fields.token?.trim() ?? '', clientAddress(c));
    if (principal.kind !== 'token' || visitorOf(principal) === null) {
      throw new AppError('forbidden', 'This token is for programs: it does not open these pages.');
    }
    c.get('access').begin(c, principal.tokenId);
    return c.redirect(next, 303);
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'unavailable') throw error;
    return c.html(loginPage(c, next, error.message), ERROR_CODES[error.code][0]);
  }
}

async function signOut(c: PageContext): Promise<Response> {
  await readForm(c);
  c.get('access').end(c);
  return c.redirect('/login', 303);
}
