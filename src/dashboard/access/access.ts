import { createHash, randomBytes } from 'node:crypto';
import { getCookie, setCookie } from 'hono/cookie';
import { AppError } from '../../domain/errors.ts';
import { ADMIN_BY_ENVIRONMENT } from '../../usecases/access/token-owner.ts';
import type { Access, DashboardDeps, PageContext } from '../deps.ts';
import { createFormTokens } from './form-token.ts';
import { createSessions, SESSION_SECONDS } from './session.ts';

const SESSION_COOKIE = 'taskejo_session';
/** Of a browser that isn't signed in: what its forms are bound to. */
const FORM_COOKIE = 'taskejo_form';
const FORM_FIELD = 'form_token';

export function createAccess({ secret, adminToken, publicUrl, epochMs }: DashboardDeps): Access {
  const operators = adminToken === null ? '' : createHash('sha256').update(adminToken).digest('hex');
  const sessions = createSessions(secret, (tokenId) => (tokenId === ADMIN_BY_ENVIRONMENT.tokenId ? operators : ''));
  const forms = createFormTokens(secret);
  const isSecure = () => publicUrl().startsWith('https:');
  const put = (c: PageContext, name: string, value: string, maxAge?: number) =>
    setCookie(c, name, value, {
      path: '/',
      httpOnly: true,
      sameSite: 'Lax',
      secure: isSecure(),
      ...(maxAge === undefined ? {} : { maxAge }),
    });

  const session = (c: PageContext) => sessions.read(getCookie(c, SESSION_COOKIE) ?? '', epochMs());
  /** A session that counts, or else the cookie that is there just for forms. */
  const subject = (c: PageContext) => (session(c) === null ? getCookie(c, FORM_COOKIE) : getCookie(c, SESSION_COOKIE));

  return {
    session,
    begin(c, tokenId) {
      const expiresAtMs = epochMs() + SESSION_SECONDS * 1000;
      put(c, SESSION_COOKIE, sessions.write({ tokenId, expiresAtMs }), SESSION_SECONDS);
    },
    end: (c) => put(c, SESSION_COOKIE, '', 0),
    formToken(c) {
      const known = subject(c);
      if (known !== undefined) return forms.make(known);
      const fresh = randomBytes(18).toString('base64url');
      put(c, FORM_COOKIE, fresh);
      return forms.make(fresh);
    },
    checkForm(c, fields) {
      const [token, known] = [fields[FORM_FIELD], subject(c)];
      const ours = typeof token === 'string' && known !== undefined && forms.isOf(token, known);
      if (!ours || !isFromHere(c, publicUrl())) {
        throw new AppError('forbidden', 'The form was not made for this browser, or is too old. Load the page again.');
      }
    },
  };
}

/** Browsers say from which site a form is sent. What says nothing is no browser: it can't be led by another site. */
function isFromHere(c: PageContext, publicUrl: string): boolean {
  const origin = c.req.header('origin');
  if (origin === undefined) return ['same-origin', 'none', undefined].includes(c.req.header('sec-fetch-site'));
  const host = URL.parse(origin)?.host ?? '';
  return host !== '' && (host === c.req.header('host') || host === URL.parse(publicUrl)?.host);
}
