import { describe, expect, test } from 'vitest';
import { hideInJson, hideInStream, hideInText } from '../../../src/domain/redact.ts';
import { newAttemptToken, newToken, SCOPES } from '../../../src/domain/token.ts';

const attempt = newAttemptToken('01a1fecd-f8ca-75d1-bca7-f750c85b68bf');
const stars = (text: string) => '*'.repeat(text.length);
const whole = { end: true, afterGap: false };

/** What is stored of pieces, sent as senders do: what wasn't taken again with what follows. */
function stored(pieces: readonly string[], secrets: readonly string[] = []): string {
  let open = Buffer.alloc(0);
  let out = '';
  pieces.forEach((piece, at) => {
    const bytes = Buffer.concat([open, Buffer.from(piece)]);
    const taken = hideInStream(bytes, secrets, { end: at === pieces.length - 1, afterGap: false });
    out += Buffer.from(taken).toString();
    open = bytes.subarray(taken.length);
  });
  return out;
}

describe('a token of ours', () => {
  test.each([...SCOPES.map((scope) => newToken(scope)), attempt])('is hidden wherever it is cut: %s', (token) => {
    const text = `A=1\nTASKEJO_TOKEN=${token}\nB=2`;
    const expected = `A=1\nTASKEJO_TOKEN=${stars(token)}\nB=2`;
    for (let cut = 0; cut <= text.length; cut++) expect(stored([text.slice(0, cut), text.slice(cut)])).toBe(expected);
    expect(stored([...text, ''])).toBe(expected);
  });

  test('is hidden beside secrets, and in values', () => {
    expect(stored([`${attempt} open-sesame`], ['open-sesame'])).toBe(`${stars(attempt)} ***********`);
    expect(hideInText(`x${attempt}y`, [])).toBe(`x${stars(attempt)}y`);
    expect(hideInJson({ [attempt]: [attempt, 1, null] }, [])).toEqual({ [stars(attempt)]: [stars(attempt), 1, null] });
  });

  test('is hidden behind a gap, where its beginning was left out', () => {
    for (let cut = 1; cut < attempt.length - 6; cut++) {
      const rest = `${attempt.slice(cut)} and`;
      const taken = hideInStream(Buffer.from(rest), [], { end: true, afterGap: true });
      expect(Buffer.from(taken).toString()).toBe(`${stars(rest.slice(0, -4))} and`);
    }
  });

  test('is what it is by its form alone, and nothing else waits or is hidden', () => {
    for (const text of ['first', 'a tkj_none_x ', `tkj_viewer_${'x'.repeat(20)} `, 'tail t ', 'ends with tkjx', '']) {
      expect(Buffer.from(hideInStream(Buffer.from(text), [], { end: false, afterGap: false })).toString()).toBe(text);
    }
    expect(hideInStream(Buffer.from(' t'), [], { end: false, afterGap: false })).toHaveLength(1);
    expect(Buffer.from(hideInStream(Buffer.from('at tkj_attempt_'), [], whole)).toString()).toBe('at tkj_attempt_');
  });
});
