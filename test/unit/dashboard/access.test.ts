import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFormTokens } from '../../../src/dashboard/access/form-token.ts';
import { nextPath } from '../../../src/dashboard/access/next-path.ts';
import { createSessions } from '../../../src/dashboard/access/session.ts';

const secret = Buffer.alloc(32, 7);
const session = { tokenId: '01a1fee3-30e1-7535-a210-853fe733b900', expiresAtMs: 1_000_000 };

describe('a session', () => {
  const sessions = createSessions(secret, () => '');

  it('is read as it was written, until it has expired', () => {
    const cookie = sessions.write(session);
    expect(sessions.read(cookie, 999_999)).toEqual(session);
    expect(sessions.read(cookie, 1_000_000)).toBeNull();
  });

  it('is nothing when any letter of it was changed', () => {
    const cookie = sessions.write(session);
    fc.assert(
      fc.property(fc.nat(cookie.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, letter) => {
        const changed = cookie.slice(0, at) + letter + cookie.slice(at + 1);
        // The last letter of base64 carries bits that mean nothing; the text is compared, so it counts all the same.
        expect(sessions.read(changed, 0)).toEqual(changed === cookie ? session : null);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void expect(sessions.read(text, 0)).toBeNull()));
  });

  it('of another installation is nothing', () => {
    const others = createSessions(Buffer.alloc(32, 8), () => '');
    expect(sessions.read(others.write(session), 0)).toBeNull();
  });

  it('is over when what it hangs on changes', () => {
    const before = createSessions(secret, () => 'the old token');
    const after = createSessions(secret, () => 'the new token');
    expect(after.read(before.write(session), 0)).toBeNull();
  });
});

describe('the token of a form', () => {
  const forms = createFormTokens(secret);

  it('is good for the browser that it was made for, and another text each time', () => {
    const tokens = [forms.make('alice'), forms.make('alice')];
    expect(tokens[0]).not.toBe(tokens[1]);
    for (const token of tokens) {
      expect(forms.isOf(token, 'alice')).toBe(true);
      expect(forms.isOf(token, 'mallory')).toBe(false);
    }
  });

  it('can not be made by others', () => {
    fc.assert(fc.property(fc.string(), (text) => void expect(forms.isOf(text, 'alice')).toBe(false)));
  });
});

describe('where to go after signing in', () => {
  it.each(['/', '/tasks/1?attempt=2#L3', '/?status=running'])('is %s', (path) => {
    expect(nextPath(path)).toBe(path);
  });

  it.each([
    undefined,
    '',
    'tasks',
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    '/..//evil.example',
    '/.//evil.example',
    'javascript:alert(1)',
  ])('is not %j', (asked) => {
    expect(nextPath(asked)).toBe('/');
  });

  it('is never another site', () => {
    const parts = fc.constantFrom('/', '\\', '..', '.', '\t', '\n', '@', ':', 'evil.example', 'http:', '%2f', '?', '#');
    fc.assert(
      fc.property(fc.array(parts), (all) => {
        const url = new URL(nextPath(`/${all.join('')}`), 'https://tasks.example.org/login');
        expect(url.origin).toBe('https://tasks.example.org');
      }),
      { numRuns: 5_000 },
    );
  });
});
