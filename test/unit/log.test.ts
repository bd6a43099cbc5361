import { describe, expect, it } from 'vitest';
import { createLog, type LogOptions } from '../../src/log.ts';

function logging(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({ level: 'info', format: 'json', ...options }, { write: (line) => void lines.push(line) });
  return { log, lines };
}

describe('the log', () => {
  it('has one line of JSON for each entry, with its level as a word and the time', () => {
    const { log, lines } = logging();
    log.info({ taskId: 't1' }, 'done');
    log.debug({}, 'not seen');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      taskId: 't1',
      msg: 'done',
    });
  });

  it('never shows a secret, at the top or two levels down', () => {
    const { log, lines } = logging();
    log.info({ token: 'S1', request: { authorization: 'S2', headers: { cookie: 'S3' } } }, 'a');
    log.info({ config: { databaseUrl: 'S4', forge: { webhookSecrets: ['S5'] } }, password: 'S6' }, 'b');
    log.info({ host: { privateKey: 'S7' }, environment: { KEY: 'S8' }, input: 'S9' }, 'c');
    expect(lines.join()).not.toMatch(/S\d/);
    expect(lines.join().match(/\[redacted\]/g)).toHaveLength(9);
  });

  it('tells of an error what an operator needs, its causes too, and no rows of the database', () => {
    const { log, lines } = logging();
    const refused = Object.assign(new Error('violates'), { code: '23514', constraint: 'c', detail: 'row (secret)' });
    log.error({ err: new Error('could not', { cause: refused }) }, 'failed');
    expect(JSON.parse(lines[0] ?? '').err).toMatchObject({
      message: 'could not',
      stack: expect.stringContaining('log.test.ts'),
      cause: { message: 'violates', code: '23514', constraint: 'c' },
    });
    expect(lines.join()).not.toContain('secret');
  });

  it('as text is a line for people, which can not steer their terminal', () => {
    const { log, lines } = logging({ format: 'text' });
    log.warn({ host: 'gpu-1', note: 'a\u001b[2Jb', n: 3 }, 'is offline');
    log.error({ err: new Error('no') }, 'failed');
    expect(lines[0]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} warn {2}is offline {2}host=gpu-1 {2}note="a\\u001b\[2Jb" {2}n=3\n$/,
    );
    expect(lines[1]).toMatch(/error failed\n {4}"?Error: no/);
  });
});
