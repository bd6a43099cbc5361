import { describe, expect, it, test } from 'vitest';
import {
  type Claims,
  isInForce,
  isPublicKey,
  isSignedBy,
  newKeyPair,
  readSignedToken,
  signingKey,
  signToken,
} from '../../../src/domain/signed-token.ts';

const NOW = 1_800_000_000;
const pair = newKeyPair();
const key = signingKey(pair);
const claims: Claims = { sub: 'agent-1', aud: 'installation-1', iat: NOW, exp: NOW + 300, jti: 'one' };
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a signed token', () => {
  it('says what was signed, and by whom', () => {
    const token = readSignedToken(signToken(claims, key));
    expect(token?.claims).toEqual(claims);
    expect(token && isSignedBy(token, pair.publicKey)).toBe(true);
    expect(token && isSignedBy(token, newKeyPair().publicKey)).toBe(false);
  });

  it('is the one of the standard: EdDSA over header and claims, without line breaks or padding', () => {
    const [header = '', payload = ''] = signToken(claims, key).split('.');
    expect(Buffer.from(header, 'base64url').toString()).toBe('{"alg":"EdDSA","typ":"taskejo-agent"}');
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toEqual(claims);
    expect(Buffer.from(signToken(claims, key).split('.')[2] ?? '', 'base64url')).toHaveLength(64);
  });

  it('with other claims is not signed by anybody', () => {
    const [header, , signature] = signToken(claims, key).split('.');
    const token = readSignedToken(`${header}.${part({ ...claims, sub: 'agent-2' })}.${signature}`);
    expect(token?.claims.sub).toBe('agent-2');
    expect(token && isSignedBy(token, pair.publicKey)).toBe(false);
  });
});

const [, payload = '', signature = ''] = signToken(claims, key).split('.');
test.each([
  ['another algorithm', `${part({ alg: 'none', typ: 'taskejo-agent' })}.${payload}.${signature}`],
  ['an algorithm with a shared secret', `${part({ alg: 'HS256', typ: 'taskejo-agent' })}.${payload}.${signature}`],
  ['another type', `${part({ alg: 'EdDSA', typ: 'JWT' })}.${payload}.${signature}`],
  ['no signature', `${part({ alg: 'EdDSA', typ: 'taskejo-agent' })}.${payload}.`],
  ['claims that are no JSON', `${part({ alg: 'EdDSA', typ: 'taskejo-agent' })}.e30x.${signature}`],
  [
    'a time that is text',
    `${part({ alg: 'EdDSA', typ: 'taskejo-agent' })}.${part({ ...claims, exp: '9' })}.${signature}`,
  ],
  ['no subject', `${part({ alg: 'EdDSA', typ: 'taskejo-agent' })}.${part({ ...claims, sub: '' })}.${signature}`],
  [
    'a subject that no database can look for',
    `${part({ alg: 'EdDSA', typ: 'taskejo-agent' })}.${part({ ...claims, sub: 'agent\0' })}.${signature}`,
  ],
  ['a plain token', 'tkj_agent_x'],
])('%s is no signed token', (_, text) => expect(readSignedToken(text)).toBeNull());

describe('a signed token is in force', () => {
  const at = (seconds: number, changed: Partial<Claims> = {}) =>
    isInForce({ ...claims, ...changed }, 'installation-1', (NOW + seconds) * 1000);

  it('from when it was made until it expires', () => {
    expect([at(-61), at(-60), at(0), at(299.999), at(300)]).toEqual([false, true, true, true, false]);
  });

  it('for five minutes at most, and for one installation', () => {
    expect(at(0, { exp: NOW + 301 })).toBe(false);
    expect(at(0, { aud: 'installation-2' })).toBe(false);
  });
});

test('a public key is 32 bytes in base64url, written in one way', () => {
  expect(isPublicKey(pair.publicKey)).toBe(true);
  expect([pair.publicKey.slice(1), `${pair.publicKey}=`, `${'A'.repeat(42)}B`, ''].map(isPublicKey)).toEqual([
    false,
    false,
    false,
    false,
  ]);
});
