import { realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { guarded } from '../../../src/agent/bounds/guard-machine.ts';
import { sandboxesOf } from '../../../src/agent/bounds/sandboxes.ts';
import { loadAgentConfig } from '../../../src/agent/config.ts';
import type { StartSpec } from '../../../src/domain/machine.ts';
import { endOf, guardedMachine, runOn, specOf } from '../../support/guarded-machine.ts';
import { listProcesses } from '../../support/proc.ts';
import { requireSandbox } from '../../support/sandbox.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait-for.ts';

const signal = new AbortController().signal;

const shutIn = (script: string, more: Partial<StartSpec> = {}) => specOf(script, { sandbox: 'bubblewrap', ...more });

describe('a command that is shut in by bubblewrap', () => {
  test('does its work: input, environment, folders, progress, output and exit code are as without', async (context) => {
    requireSandbox(context);
    const there = await guardedMachine();
    const spec = shutIn(`cat; echo "$GIVEN"; pwd >here; test "$PWD" = "$HOME" && cat here
      echo temporary >"$TMPDIR/file"; cat /tmp/file; echo '40% half' >>"$TASKEJO_PROGRESS"
      echo '{"a":1}' >"$TASKEJO_OUTPUT"; exit 7`);
    const { report, stdout } = await runOn(there.machine, spec);
    const workspace = join(there.root, 'work/here', `a.${spec.attemptId}`, 'run/ws');
    expect(stdout).toBe(`from standard input\nto the command\n${workspace}\ntemporary\n`);
    expect(report).toMatchObject({ exitCode: 7, reason: 'exit', left: [], progress: '40% half' });
    const output = await there.machine.output(spec.attemptId, 100, signal);
    expect(Buffer.from(output?.bytes ?? []).toString()).toBe('{"a":1}\n');
  });

  test('sees no file of the agent, of other attempts or of the machine’s people, and changes no program', async (context) => {
    requireSandbox(context);
    const there = await guardedMachine();
    const other = await runOn(there.machine, specOf('echo secret >file'));
    expect(other.report.exitCode).toBe(0);
    writeFileSync(join(there.root, 'identity.json'), 'secret');
    const work = join(there.root, 'work');
    // Nothing that would do harm where the walls are broken.
    const script = `ls ${there.root} ${work}/here; cat ${there.root}/identity.json 2>&1
      ls /home /root /run /var /etc/taskejo /etc/shadow 2>&1; touch -c /usr/bin 2>&1`;
    const { stdout } = await runOn(there.machine, shutIn(script));
    expect(stdout).not.toContain('secret');
    expect(stdout.split('\n').slice(0, 2)).toEqual([`${there.root}:`, 'work']);
    expect(stdout).toContain(`cat: ${there.root}/identity.json: No such file or directory`);
    for (const path of ['/home', '/root', '/var', '/etc/taskejo', '/etc/shadow']) {
      expect(stdout).toContain(`'${path}': No such file`);
    }
    expect(stdout).toContain("'/usr/bin': Read-only file system");
  });

  test('sees no process but its own, and no variable of the agent', async (context) => {
    requireSandbox(context);
    const { stdout } = await runOn((await guardedMachine()).machine, shutIn('ls -d /proc/[0-9]* | wc -l; env | sort'));
    expect(Number(stdout.split('\n')[0])).toBeLessThan(8);
    const names = stdout
      .split('\n')
      .slice(1)
      .flatMap((line) => (line === '' ? [] : [line.replace(/=.*/s, '')]));
    const usual = ['GIVEN', 'HOME', 'LANG', 'OLDPWD', 'PATH', 'PWD', 'SHLVL', 'TASKEJO_ATTEMPT_ID', 'TASKEJO_OUTPUT'];
    expect(usual.concat('TASKEJO_PROGRESS', 'TASKEJO_TASK_ID', 'TMPDIR', '_')).toEqual(expect.arrayContaining(names));
  });

  test('may end in its own way when it is cancelled, and leaves nothing if it won’t', async (context) => {
    requireSandbox(context);
    const there = await guardedMachine();
    const mark = crypto.randomUUID();
    const spec = shutIn(`trap 'echo ended; exit' TERM; env -i sh -c 'trap "" TERM; while : ${mark}; do sleep 1; done' &
      echo ready; while :; do sleep 0.1; done`);
    await there.machine.start(spec, signal);
    await waitFor(async () => (await there.machine.collect(spec.attemptId, 'stdout', 0, 100, signal)).piece !== null);
    await there.machine.cancel(spec.attemptId, 2, signal);
    const { report, stdout } = await endOf(there.machine, spec.attemptId);
    expect(report).toMatchObject({ reason: 'cancel', left: [] });
    expect(stdout).toBe('ready\nended\n');
    expect(listProcesses().filter((one) => one.arguments.includes(mark))).toEqual([]);
  });

  test('is shut in although its task asked for nothing, where the agent’s owner wants it so', async (context) => {
    requireSandbox(context);
    const there = await guardedMachine({ TASKEJO_AGENT_SANDBOX: 'bubblewrap' });
    const { stdout } = await runOn(there.machine, specOf('ls /home 2>&1'));
    expect(stdout).toContain("'/home': No such file");
  });

  test('fails in its set-up when its program isn’t to be seen, or a variable would be obeyed outside', async (context) => {
    requireSandbox(context);
    const there = await guardedMachine();
    writeFileSync(join(there.root, 'mine'), '#!/bin/sh\n', { mode: 0o755 });
    const refused = (more: Partial<StartSpec>) => expect(there.machine.start(shutIn('', more), signal)).rejects;
    const setup = (message: string) => ({ failureClass: 'setup', message });
    await refused({ command: ['nosuch'] }).toMatchObject(setup('program `nosuch` not found in the sandbox'));
    await refused({ command: [join(there.root, 'mine')] }).toMatchObject({ failureClass: 'setup' });
    await refused({ environment: { LD_PRELOAD: '/tmp/x.so' } }).toMatchObject(
      setup("LD_PRELOAD can't be given into a sandbox"),
    );
  });
});

test('a sandbox that the machine hasn’t is never done without', async () => {
  const there = await guardedMachine();
  const spec = specOf('true', { sandbox: 'container' });
  await expect(there.machine.start(spec, signal)).rejects.toMatchObject({
    failureClass: 'setup',
    message: 'the sandbox container is not available: container.image is not set',
  });
  expect(await there.machine.status(spec.attemptId, signal)).toMatchObject({ state: 'none' });
});

test('what is the agent’s own among the programs is hidden by each of its names: folders, secrets', async (context) => {
  requireSandbox(context);
  const folder = temporaryFolder();
  symlinkSync('/usr/share', join(folder, 'state'));
  symlinkSync('/usr/lib/os-release', join(folder, 'secret'));
  const file = join(folder, 'agent.yaml');
  writeFileSync(file, 'server: {url: "http://127.0.0.1:1", registration_token: {file: secret}}\nstate_dir: state\n');
  const config = await loadAgentConfig({ file, env: {} });
  const { command } = guarded(shutIn('true'), { config, sandboxes: sandboxesOf(config, {}) });
  expect(command[command.indexOf('/usr/share') - 1]).toBe('--tmpfs');
  const names = ['/usr/lib/os-release', '/lib/os-release', '/etc/os-release'].filter(
    (name) => realpathSync(name) === '/usr/lib/os-release',
  );
  for (const name of names) {
    const at = command.lastIndexOf(name);
    expect(command.slice(at - 2, at)).toEqual(['--ro-bind', '/dev/null']);
  }
  // What isn't there can't be hidden either: its place is not to be written to.
  expect(command).not.toContain('/usr/share/agent.sock');
});
