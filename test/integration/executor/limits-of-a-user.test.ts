import { execFileSync } from 'node:child_process';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Limits, NO_LIMITS } from '../../../src/domain/task.ts';
import { encodeStart, parseReply, WRAPPER } from '../../../src/executor/wrapper/protocol.ts';
import { startSpec } from '../../suites/machine-suite.ts';
import { killProcessesIn } from '../../support/proc.ts';
import { waitFor } from '../../support/wait-for.ts';

/** A number that no account has: what it starts is all that is counted. */
const USER = 47_111;
const AS_USER = ['--reuid', `${USER}`, '--regid', `${USER}`, '--clear-groups'];
const canBeAnother = process.getuid?.() === 0;

/** Root may do anything to cgroups, and no limit of processes holds it; this is what others have. */
describe.skipIf(!canBeAnother)('the limits of a user without a cgroup', () => {
  let home = '';
  beforeAll(() => {
    home = realpathSync(mkdtempSync(join(tmpdir(), 'taskejo-user-')));
    writeFileSync(join(home, WRAPPER.name), WRAPPER.text);
    chownSync(home, USER, USER);
    chownSync(join(home, WRAPPER.name), USER, USER);
  });
  afterAll(() => {
    killProcessesIn(home);
    rmSync(home, { recursive: true });
  });

  const ask = (words: readonly string[], input: Buffer = Buffer.alloc(0)) =>
    parseReply(execFileSync('setpriv', [...AS_USER, 'sh', join(home, WRAPPER.name), ...words], { input, cwd: '/' }));

  async function run(command: string, limits: Partial<Limits>) {
    const spec = startSpec(command, { limits: { ...NO_LIMITS, ...limits } });
    const { kind, stdin } = encodeStart(spec);
    ask(['start', 'suite', kind], stdin);
    const report = await waitFor(() => {
      const now = ask(['status', 'suite', spec.attemptId]).report;
      return now.state === 'done' && now;
    });
    return { report, stdout: ask(['collect', 'suite', spec.attemptId, 'out', '0', '1000']).body.toString() };
  }

  test('keep it from starting more than so many processes', async () => {
    const fork = 'i=0; while [ $i -lt 20 ]; do sleep 0.1 & i=$((i+1)); done; wait; echo all';
    expect((await run(fork, { processes: 8 })).stdout).toBe('');
    expect(await run(fork, { processes: 40 })).toMatchObject({ stdout: 'all\n', report: { exitCode: 0 } });
  });

  test('can not hold its processor, so a command that asks for that is not run', async () => {
    const { report, stdout } = await run('echo ran', { cpuPercent: 50 });
    expect([report.reason, stdout]).toEqual(['setup', '']);
    expect(report.message).toContain('the limit cpu_percent is not available on this machine');
  });

  describe('whose systemd may make cgroups for it', () => {
    const bus = join('/run/user', `${USER}`);
    const before = process.env.PATH;
    let socket: Server;
    beforeAll(() => {
      mkdirSync(bus, { recursive: true });
      socket = createServer().listen(join(bus, 'bus'));
      mkdirSync(join(home, 'tools'));
      process.env.PATH = `${join(home, 'tools')}:${before}`;
      chownSync(join(home, 'tools'), USER, USER);
    });
    afterAll(() => {
      process.env.PATH = before;
      socket.close();
      rmSync(bus, { recursive: true });
    });

    const tool = (name: string, script: string) =>
      writeFileSync(join(home, 'tools', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    /** In place of systemd: writes down what it is asked, and does it, or not, without a cgroup. */
    const systemd = (does: string, linger = 'yes') => {
      rmSync(join(home, 'asked'), { force: true });
      tool('systemd-run', `echo "$*" >${join(home, 'asked')}\n${does}`);
      tool('loginctl', `echo Linger=${linger}`);
    };
    const START = 'while [ "$1" != sh ]; do shift; done\nexec "$@"';
    const asked = () => {
      const file = join(home, 'asked');
      return existsSync(file) ? readFileSync(file, 'utf8') : null;
    };

    test('are asked of it, and what it does not do is not taken for done', async () => {
      systemd(START);
      const { report } = await run('echo ran', { cpuPercent: 50, processes: 30 });
      expect(report).toMatchObject({ reason: 'setup', message: expect.stringContaining('cpu_percent') });
      expect(asked()).toMatch(/^--user --scope --quiet --collect --unit=taskejo-\S+ -p Delegate=yes sh \S+ run suite /);
      const { stdout } = await run('env', { memoryBytes: 1024 ** 3 });
      expect(stdout).toContain('TASKEJO_ATTEMPT_ID=');
      expect(stdout).not.toContain('XDG_RUNTIME_DIR');
    });

    test('are kept without it where it refuses', async () => {
      systemd('exit 1');
      expect(await run('ulimit -v', { memoryBytes: 1024 ** 3 })).toMatchObject({ stdout: '1048576\n' });
      expect(asked()).not.toBeNull();
    });

    test('are kept without it where it would end the command with the connection', async () => {
      systemd(START, 'no');
      expect(await run('ulimit -v', { memoryBytes: 1024 ** 3 })).toMatchObject({ stdout: '1048576\n' });
      const { report } = await run('echo ran', { cpuPercent: 50 });
      expect(report).toMatchObject({ reason: 'setup', message: expect.stringContaining('loginctl enable-linger') });
      expect(asked()).toBeNull();
    });
  });
});
