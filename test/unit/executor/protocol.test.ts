import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { commandWords, encodeStart, lastLine, parseReply, WRAPPER } from '../../../src/executor/wrapper/protocol.ts';
import { startSpec } from '../../suites/machine-suite.ts';

const boot = 'b00t-1d';
const line = (first: string, rest = '') =>
  Buffer.from(`taskejo1 ${first} store-1 ${boot} 10 0 2000000 1572864 1 ${rest}\nbody`);

describe('an answer of the wrapper script', () => {
  test('is read field by field', () => {
    const reply = parseReply(line(`done 3 exit 4711 99 ${boot}`, '17:evil_one,18:x 1m1.5s,0m0.25s,5.00,5k 5 4'));
    expect(reply.report).toEqual({
      state: 'done',
      exitCode: 3,
      reason: 'exit',
      message: null,
      process: { pid: 4711, startedAt: '99', bootId: boot },
      streams: { stdout: { total: 10, keptFrom: 0 }, stderr: { total: 2_000_000, keptFrom: 1_572_864 } },
      logLost: true,
      left: [
        { pid: 17, command: 'evil_one' },
        { pid: 18, command: 'x' },
      ],
      usage: { cpuSeconds: 61.75, wallSeconds: 4.01, maxRssBytes: 5 * 1024 },
      progress: null,
      storeId: 'store-1',
      bootId: boot,
    });
    expect([reply.at, reply.bytes, reply.body.toString()]).toEqual([5, 4, 'body']);
  });

  test('has no code, reason or proof before the end', () => {
    const { report } = parseReply(line(`running - - 4711 99 ${boot}`, '- - 0 0'));
    expect(report).toMatchObject({ state: 'running', exitCode: null, reason: null, left: null });
  });

  test('has its message at the end, without control characters', () => {
    const { report } = parseReply(line('done 127 setup - - -', '- - 0 0 program `a\u001b[31m b` not found'));
    expect(report).toMatchObject({ reason: 'setup', message: 'program `a [31m b` not found', process: null, left: [] });
  });

  test('that complains is an error of its kind', () => {
    expect(() => parseReply(Buffer.from('taskejo1 ! disk_full the disk is full\n'))).toThrow(
      expect.objectContaining({ kind: 'disk_full', message: 'the disk is full' }),
    );
    expect(() => parseReply(Buffer.from('taskejo1 ! newfangled what\n'))).toThrow(
      expect.objectContaining({ kind: 'shell' }),
    );
  });

  test.each([
    'Welcome!\ntaskejo1 none',
    'taskejo2 none - -\n',
    'taskejo1 none - - - - - s b 0 0 0 0 0 - - 0',
    'taskejo1 running x - 1 2 3 s b 0 0 0 0 0 - - 0 0\n',
    'taskejo1 sleeping - - 1 2 3 s b 0 0 0 0 0 - - 0 0\n',
    '',
  ])('that is %j is noise', (text) => {
    expect(() => parseReply(Buffer.from(text))).toThrow(expect.objectContaining({ kind: 'noise' }));
  });

  test('whatever the bytes are, is an answer or an error of ours', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, withMagic) => {
        const said = Buffer.concat([Buffer.from(withMagic ? 'taskejo1 ' : ''), bytes]);
        try {
          return parseReply(said).report.storeId !== '';
        } catch (error) {
          return (error as Error).name === 'MachineError';
        }
      }),
    );
  });
});

describe('a start', () => {
  const script = (spec: ReturnType<typeof startSpec>) => {
    const { stdin } = encodeStart(spec);
    const [, bytes] = / +(\d+) \d+( \S+ \S+)?\n/.exec(stdin.toString('latin1')) ?? [];
    return stdin.subarray(0, Number(bytes)).toString('utf8');
  };

  test('says in its first line of what it is and how long, and begins the same way whatever it is', () => {
    const spec = startSpec(['echo', "it's"], {
      input: Buffer.from('in'),
      environment: { A: "b'c" },
      timeoutSeconds: 0.2,
    });
    const { kind, stdin } = encodeStart(spec);
    expect(kind).toBe('free');
    const words = [spec.attemptId, spec.taskId, '1', '1', '2', String(stdin.length - 2), '2'];
    expect(script(spec).split('\n')[0]?.split(/ +/)).toEqual(['#', ...words]);
    expect(stdin.subarray(-2).toString()).toBe('in');
    expect(script(spec)).toContain(`export A='b'\\''c'\n`);
    expect(script(spec).endsWith(`set -- 'echo' 'it'\\''s'\n`)).toBe(true);
  });

  test('says the attempt last, so that no environment can take its processes out of sight', () => {
    const spec = startSpec('true', { environment: { TASKEJO_ATTEMPT_ID: 'forged' } });
    const exported = script(spec)
      .split('\n')
      .filter((one) => one.startsWith('export TASKEJO_ATTEMPT_ID='));
    expect(exported.at(-1)).toBe(`export TASKEJO_ATTEMPT_ID='${spec.attemptId}'`);
  });

  test.each([
    ['no command', { command: [] }],
    ['an empty program', { command: [''] }],
    ['NUL in an argument', { command: ['a', 'b\0c'] }],
    ['NUL in a value', { environment: { A: 'b\0' } }],
    ['a name of the shell', { environment: { PPID: '1' } }],
    ['a name that is none', { environment: { '1A': 'x' } }],
    ['an id that is none', { taskId: '../../etc' }],
  ])('with %s is refused', (_, more) => {
    expect(() => encodeStart(startSpec('true', more))).toThrow(expect.objectContaining({ kind: 'configuration' }));
  });
});

test('no text passes as a word of a command line unless it is an id or a number', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      if (/^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$/.test(text)) return commandWords([text])[0] === text;
      expect(() => commandWords([text])).toThrow(expect.objectContaining({ kind: 'configuration' }));
      return true;
    }),
  );
});

test('progress is the last line that says something', () => {
  expect(lastLine(Buffer.from('10% a\n60% b\n\n'))).toBe('60% b');
  expect(lastLine(Buffer.from('60% b\n70% c'))).toBe('70% c');
  expect(lastLine(Buffer.from('\n \n'))).toBeNull();
});

test('the wrapper script stays small enough to read: 200 lines', () => {
  expect(WRAPPER.text.toString('utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(200);
  expect(WRAPPER.name).toMatch(/^w-[0-9a-f]{16}\.sh$/);
});
