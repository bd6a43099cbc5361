import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hideInJson, hideInStream, hideInText } from '../../../src/domain/redact.ts';

/** As a sender does: what isn't decided is given again with the next piece, the last piece says that it is the last. */
function streamed(pieces: readonly Buffer[], secrets: readonly string[]): string {
  let open = Buffer.alloc(0);
  const out: Uint8Array[] = [];
  pieces.forEach((piece, at) => {
    const bytes = Buffer.concat([open, piece]);
    const decided = hideInStream(bytes, secrets, { end: at === pieces.length - 1, afterGap: false });
    out.push(decided);
    open = bytes.subarray(decided.length);
  });
  expect(open).toHaveLength(0);
  return Buffer.concat(out).toString('latin1');
}

/** What is meant, byte by byte. */
function starred(text: Buffer, secrets: readonly string[]): string {
  const marked = [...text].map(() => false);
  for (const secret of secrets) {
    const needle = Buffer.from(secret);
    for (let at = 0; needle.length > 0 && at + needle.length <= text.length; at++) {
      if (text.subarray(at, at + needle.length).equals(needle)) marked.fill(true, at, at + needle.length);
    }
  }
  return [...text].map((byte, at) => (marked[at] ? '*' : String.fromCharCode(byte))).join('');
}

const words = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'é'), minLength: 1, maxLength: 6 });

describe('a secret in a stream', () => {
  test('is hidden wherever the stream is cut, and nothing else is', () => {
    const text = Buffer.from('say open-sesame, open-open-sesame and sesame-open');
    const secrets = ['open-sesame', 'sesame-open', 'o'];
    const expected = starred(text, secrets);
    for (let one = 0; one <= text.length; one++) {
      for (let two = one; two <= text.length; two++) {
        const pieces = [text.subarray(0, one), text.subarray(one, two), text.subarray(two)];
        expect(streamed(pieces, secrets), `${one} ${two}`).toBe(expected);
      }
    }
  });

  test('may overlap others and itself, and come byte by byte', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'é'), maxLength: 40 }),
        fc.array(words, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat({ max: 40 }), { maxLength: 8 }),
        (said, secrets, cuts) => {
          const text = Buffer.from(said);
          const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)), text.length].toSorted((a, b) => a - b);
          const pieces = at.slice(1).map((to, n) => text.subarray(at[n], to));
          expect(streamed(pieces, secrets)).toBe(starred(text, secrets));
          expect(streamed([...text].map((byte) => Buffer.from([byte])).concat(Buffer.alloc(0)), secrets)).toBe(
            starred(text, secrets),
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('holds back no more than two secrets are long, however long the stream', () => {
    const text = Buffer.from('a'.repeat(10_000));
    const decided = hideInStream(text, ['aaaa'], { end: false, afterGap: false });
    expect(text.length - decided.length).toBeLessThan(8);
    expect(Buffer.from(decided).toString()).toBe('*'.repeat(decided.length));
  });

  test('is hidden when its beginning was left out', () => {
    const cut = (text: string, end: boolean) =>
      Buffer.from(hideInStream(Buffer.from(text), ['open-sesame'], { end, afterGap: true })).toString();
    expect(cut('sesame, said she', true)).toBe('******, said she');
    expect(cut('sesame, said she', false)).toBe('******, said she');
    expect(cut('same-o', false)).toBe('****-');
    expect(cut('ope', false)).toBe('');
    expect(cut('say so', true)).toBe('say so');
  });

  test('is hidden line by line, too, where its lines are long enough', () => {
    const key = '-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\nab\n-----END KEY-----';
    expect(hideInText('MC4CAQAwBQYDK2VwBCIEIA\r\nab\r\n', [key])).toBe(`${'*'.repeat(22)}\r\nab\r\n`);
    expect(hideInText(key, [key])).toBe('*'.repeat(key.length));
  });
});

test('a secret in a value of JSON is hidden in texts and names, a star for each byte', () => {
  const value = { note: 'it is gëheim!', 'the gëheim': [1, null, { deep: 'gëheim' }] };
  expect(hideInJson(value, ['gëheim'])).toEqual({
    note: 'it is *******!',
    'the *******': [1, null, { deep: '*******' }],
  });
  expect(hideInJson(value, [])).toBe(value);
});
