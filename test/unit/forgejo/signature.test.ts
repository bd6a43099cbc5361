import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { storableHeaders } from '../../../src/forgejo/headers.ts';
import { verifySignature } from '../../../src/forgejo/signature.ts';
import { bodyOf, deliveryHeaders, RECORDED_SECRET, recorded, recordings } from '../../support/recordings.ts';

const sign = (body: Uint8Array, secret: string): string => createHmac('sha256', secret).update(body).digest('hex');
const delivery = recorded('v15', 'alice comments: /run fix this please');
const body = bodyOf(delivery);
const right = sign(body, RECORDED_SECRET);
const verify = (signature: string, secrets: readonly string[] = [RECORDED_SECRET]): boolean =>
  verifySignature(body, { 'x-forgejo-signature': signature }, secrets);

describe('the signature of a delivery', () => {
  test('every recorded JSON delivery of a hook with a secret verifies', () => {
    const signed = recordings().filter((one) => !['/hooks/no-secret', '/hooks/form'].includes(one.path));
    expect(signed).toHaveLength(608);
    for (const one of signed)
      expect(verifySignature(bodyOf(one), deliveryHeaders(one.headers), [RECORDED_SECRET]), one.file).toBe(true);
  });

  test('a recorded delivery of a hook without a secret does not verify, whatever the secret is', () => {
    for (const one of recordings().filter((each) => each.path === '/hooks/no-secret'))
      for (const secrets of [[RECORDED_SECRET], [''], ['', RECORDED_SECRET], []])
        expect(verifySignature(bodyOf(one), deliveryHeaders(one.headers), secrets)).toBe(false);
  });

  test('the odd and the overtaken ones verify as well', () => {
    const all = [...recordings(undefined, 'deliveries-odd'), ...recordings(undefined, 'deliveries-out-of-order')];
    expect(all.length).toBeGreaterThan(40);
    for (const one of all)
      expect(verifySignature(bodyOf(one), deliveryHeaders(one.headers), [RECORDED_SECRET]), one.file).toBe(true);
  });

  test.each([
    ['missing', {}],
    ['empty', { 'x-forgejo-signature': '' }],
    ['one digit short', { 'x-forgejo-signature': right.slice(1) }],
    ['one digit long', { 'x-forgejo-signature': `${right}0` }],
    ['in upper case', { 'x-forgejo-signature': right.toUpperCase() }],
    ['with the prefix of another header', { 'x-forgejo-signature': `sha256=${right}` }],
    ['with white space', { 'x-forgejo-signature': ` ${right}` }],
    ['with a line end', { 'x-forgejo-signature': `${right}\n` }],
    ['no hex', { 'x-forgejo-signature': 'z'.repeat(64) }],
    ['only in X-Hub-Signature-256', { 'x-hub-signature-256': `sha256=${right}` }],
    ['only in X-Gitea-Signature', { 'x-gitea-signature': right }],
    ['empty but right elsewhere', { 'x-forgejo-signature': '', 'x-gitea-signature': right }],
    ['of another body', { 'x-forgejo-signature': sign(Buffer.from('{}'), RECORDED_SECRET) }],
    ['by another secret', { 'x-forgejo-signature': sign(body, 'guessed') }],
    ['by the empty secret', { 'x-forgejo-signature': sign(body, '') }],
  ])('a signature that is %s is refused', (_, headers) => {
    expect(verifySignature(body, headers, [RECORDED_SECRET])).toBe(false);
  });

  test('two signature headers are refused, even when one or both are right', () => {
    for (const other of [right, 'f'.repeat(64)]) {
      const headers = deliveryHeaders([...delivery.headers, ['x-forgejo-signature', other]]);
      expect(verifySignature(body, headers, [RECORDED_SECRET])).toBe(false);
    }
  });

  test('any one of several secrets verifies, so that a secret can be changed without loss', () => {
    expect(verify(right, ['new', RECORDED_SECRET])).toBe(true);
    expect(verify(right, [RECORDED_SECRET, 'new'])).toBe(true);
    expect(verify(sign(body, 'new'), [RECORDED_SECRET, 'new'])).toBe(true);
    expect(verify(right, ['new', 'newer'])).toBe(false);
  });

  test('no secret and an empty secret verify nothing', () => {
    expect(verify(right, [])).toBe(false);
    expect(verify(sign(body, ''), [''])).toBe(false);
    expect(verify(sign(body, ''), ['', RECORDED_SECRET])).toBe(false);
  });

  test('a name that every object has is not taken for a header', () => {
    const inherited: Record<string, string> = Object.create({ 'x-forgejo-signature': right });
    expect(verifySignature(body, inherited, [RECORDED_SECRET])).toBe(false);
  });

  test('a body verifies with its own signature and with no other, and a changed bit is seen', () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(bytes, fc.string({ minLength: 1 }), fc.nat(), (raw, secret, at) => {
        const headers = { 'x-forgejo-signature': sign(raw, secret) };
        expect(verifySignature(raw, headers, [secret])).toBe(true);
        expect(verifySignature(raw, headers, [`${secret}x`])).toBe(false);
        expect(verifySignature(Buffer.concat([raw, Buffer.of(0)]), headers, [secret])).toBe(false);
        if (raw.length === 0) return;
        const changed = Uint8Array.from(raw);
        changed[at % raw.length] = (changed[at % raw.length] ?? 0) ^ 1;
        expect(verifySignature(changed, headers, [secret])).toBe(false);
      }),
    );
  });

  test('no text at all in the header makes it throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(verify(text)).toBe(false);
      }),
    );
  });
});

describe('the headers of a delivery', () => {
  test('a credential that the hook carries is not stored', () => {
    const recording = recorded('v15', 'a hook with an authorization header: alice comments');
    const headers = deliveryHeaders(recording.headers);
    expect(headers.authorization).toBeDefined();
    expect(storableHeaders(headers)).toEqual({ ...headers, authorization: '[redacted]' });
    expect(storableHeaders({ host: 'x', cookie: 'a=b', 'proxy-authorization': 'c' })).toEqual({
      host: 'x',
      cookie: '[redacted]',
      'proxy-authorization': '[redacted]',
    });
  });
});
