import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { agentState } from '../../../src/domain/agent.ts';
import { canonicalJson, type Json } from '../../../src/domain/canonical-json.ts';
import { AppError, ERROR_CODES, invalidField, notFound } from '../../../src/domain/errors.ts';
import { eventHash, eventText } from '../../../src/domain/event.ts';
import {
  attemptOfToken,
  derivedAttemptToken,
  isWellFormedToken,
  newAttemptToken,
  newToken,
  SCOPES,
  tokenHash,
} from '../../../src/domain/token.ts';

it('JSON has one canonical form, whatever the order of its keys', () => {
  expect(canonicalJson({ b: [1, true, null], a: { y: 'ü\n', x: 1e21 }, c: undefined })).toBe(
    '{"a":{"x":1e+21,"y":"ü\\n"},"b":[1,true,null]}',
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value as Json);
      expect(canonicalJson(JSON.parse(text) as Json)).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

it('keys are sorted by UTF-16 code units', () => {
  expect(canonicalJson({ '\u{1F600}': 1, '\uFB33': 2, '€': 3, '1': 4 })).toBe('{"1":4,"€":3,"😀":1,"\uFB33":2}');
});

it('the text of an event holds every field in the words of the wire', () => {
  const text = eventText({
    taskId: 't',
    n: 1,
    attemptId: null,
    at: '2026-11-21T15:00:00.000001Z',
    type: 'created',
    actor: { kind: 'forge', id: 'main' },
    fromStatus: null,
    toStatus: 'pending',
    data: { title: 'x' },
  });
  expect(JSON.parse(text)).toEqual({
    task_id: 't',
    n: 1,
    attempt_id: null,
    at: '2026-11-21T15:00:00.000001Z',
    type: 'created',
    actor: { kind: 'forge', id: 'main' },
    from_status: null,
    to_status: 'pending',
    data: { title: 'x' },
  });
  expect(eventHash(null, text)).toBe(createHash('sha256').update(text).digest('hex'));
  expect(eventHash('ab', text)).not.toBe(eventHash(null, text));
});

it('a token shows its kind and its typing errors', () => {
  const attempt = newAttemptToken('01a1ff5b-1cb8-7abd-a451-d1e9133864d5');
  for (const [kind, token] of [...SCOPES.map((scope) => [scope, newToken(scope)]), ['attempt', attempt]] as const) {
    expect(token.startsWith(`tkj_${kind}_`)).toBe(true);
    expect(isWellFormedToken(token)).toBe(true);
    const at = token.length - 20;
    const other = token[at] === 'A' ? 'B' : 'A';
    expect(isWellFormedToken(token.slice(0, at) + other + token.slice(at + 1))).toBe(false);
  }
  expect(tokenHash('x')).toHaveLength(32);
});

it('the token of an attempt names it', () => {
  const id = '01a1ff5b-1cb8-7abd-a451-d1e9133864d5';
  expect(attemptOfToken(newAttemptToken(id))).toBe(id);
  expect(attemptOfToken(derivedAttemptToken(Buffer.from('secret'), id))).toBe(id);
  expect(attemptOfToken(newToken('agent'))).toBeNull();
});

it('the token of an attempt over SSH is the same for whoever derives it, and another for another attempt', () => {
  const secret = Buffer.from('secret');
  expect(derivedAttemptToken(secret, 'a')).toBe(derivedAttemptToken(Buffer.from('secret'), 'a'));
  expect(derivedAttemptToken(secret, 'a')).not.toBe(derivedAttemptToken(secret, 'b'));
  expect(derivedAttemptToken(secret, 'a')).not.toBe(derivedAttemptToken(Buffer.from('other'), 'a'));
  expect(isWellFormedToken(derivedAttemptToken(secret, '01a1ff5b-1cb8-7abd-a451-d1e9133864d5'))).toBe(true);
});

it('errors carry their code, and each code a status and a title', () => {
  expect(notFound('task')).toMatchObject({ code: 'not_found', message: 'There is no such task.' });
  expect(invalidField('title', 'is too long').fields).toEqual([{ field: 'title', message: 'is too long' }]);
  expect(new AppError('internal', 'x', { cause: 'y' }).cause).toBe('y');
  for (const [status, title] of Object.values(ERROR_CODES)) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(title).toMatch(/^[A-Z]/);
  }
});

it('an agent that is cordoned is so whether it is online or not', () => {
  expect(agentState({ online: true, cordoned: true, stateReason: null })).toBe('cordoned');
  expect(agentState({ online: true, cordoned: false, stateReason: null })).toBe('online');
  expect(agentState({ online: false, cordoned: false, stateReason: null })).toBe('offline');
});

it('a host that may be another machine counts as cordoned, one that is only away does not', () => {
  const offline = (code: string) => {
    return agentState({ online: false, cordoned: false, stateReason: { code, message: '', since: '' } });
  };
  expect(['host_key', 'duplicate_store', 'unreachable', 'auth'].map(offline)).toEqual([
    'cordoned',
    'cordoned',
    'offline',
    'offline',
  ]);
});
