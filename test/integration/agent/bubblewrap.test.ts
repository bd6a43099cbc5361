import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createContainers } from '../../../src/agent/bounds/containers.ts';
import { guardMachine } from '../../../src/agent/bounds/guard-machine.ts';
import { findSandboxes } from '../../../src/agent/bounds/sandboxes.ts';
import { loadAgentConfig } from '../../../src/agent/config.ts';
import type { MachineReport, StartSpec } from '../../../src/domain/machine.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { createLocalMachine } from '../../../src/executor/local/local-machine.ts';
import { killProcessesIn, listProcesses } from '../../support/proc.ts';
import { requireSandbox } from '../../support/sandbox.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait-for.ts';

const signal = new AbortController().signal;

async function guardedMachine(settings: Record<string, string> = {}) {
  const root = temporaryFolder();
  onTestFinished(() => killProcessesIn(root));
  const env = { TASKEJO_AGENT_SERVER__URL: 'http://127.0.0.1:1', TASKEJO_AGENT_STATE_DIR: root, ...settings };
  const config = await loadAgentConfig({ env });
  mkdirSync(config.workDir);
  const sandboxes = await findSandboxes(config, process.env);
  const local = createLocalMachine({ directory: config.workDir, installationId: 'here' });
  const machine = guardMachine(local, { config, sandboxes, containers: createContainers(root, null) });
  return { root, machine };
}

const specOf = (script: string, more: Partial<StartSpec> = {}): StartSpec => ({
  attemptId: crypto.randomUUID(),
  taskId: crypto.randomUUID(),
  number: 1,
  installationId: 'here',
  command: ['sh', '-c', script],
  input: Buffer.from('from standard input\n'),
  environment: { GIVEN: 'to the command' },
  limits: NO_LIMITS,
  sandbox: 'bubblewrap',
  timeoutSeconds: 60,
  killGraceSeconds: 1,
  ...more,
});

type Guarded = Awaited<ReturnType<typeof guardedMachine>>;

async function run({ machine }: Guarded, spec: StartSpec): Promise<{ report: MachineReport; stdout: string }> {
  await machine.start(spec, signal);
  const report = await waitFor(async () => {
    const now = await machine.status(spec.attemptId, signal);
    return now.state === 'done' && now;
  });
  const { piece } = await machine.collect(spec.attemptId, 'stdout', 0, 65_536, signal);
  return { report, stdout: Buffer.from(piece?.bytes ?? []).toString('utf8') };
}

describe('a command that is shut in by bubblewrap', () => {
  test('does its work: input, environment, folders, progress, output and exit code are as without', async (context) => {
    requireSandbox(context);
    const there = await guardedMachine();
    const spec = specOf(`cat; echo "$GIVEN"; pwd >here; test "$PWD" = "$HOME" && cat here
      echo temporary >"$TMPDIR/file"; cat /tmp/file; echo '40% half' >>"$TASKEJO_PROGRESS"
      echo '{"a":1}' >"$TASKEJO_OUTPUT"; exit 7`);
    const { report, stdout } = await run(there, spec);
    const workspace = join(there.root, 'work/here', `a.${spec.attemptId}`, 'run/ws');
    expect(stdout).toBe(`from standard input\nto the command\n${workspace}\ntemporary\n`);
    expect(report).toMatchObject({ exitCode: 7, reason: 'exit', left: [], progress: '40% half' });
    const output = await there.machine.output(spec.attemptId, 100, signal);
    expect(Buffer.from(output?.bytes ?? []).toString()).toBe('{"a":1}\n');
  });

  test('sees no file of the agent, of other attempts or of the machine’s people, and changes no program', async (context) => {
    requireSandbox(context);
    const there = await guardedMachine();
    const other = await run(there, specOf('echo secret >file', { sandbox: 'none' }));
    expect(other.report.exitCode).toBe(0);
    writeFileSync(join(there.root, 'identity.json'), 'secret');
    const script = `ls ${there.root} ${there.root}/work/here; cat ${there.root}/identity.json 2>&1
      ls /home /root /run /var /etc/taskejo /etc/shadow 2>&1; touch /usr/bin/mine 2>&1`;
    const { stdout } = await run(there, specOf(script));
    expect(stdout).not.toContain('secret');
    expect(stdout.split('\n').slice(0, 2)).toEqual([`${there.root}:`, 'work']);
    expect(stdout).toContain(`cat: ${there.root}/identity.json: No such file or directory`);
    for (const path of ['/home', '/root', '/var', '/etc/taskejo', '/etc/shadow']) {
      expect(stdout).toContain(`'${path}': No such file`);
    }
    expect(stdout).toContain("'/usr/bin/mine': Read-only file system");
  });

  test('sees no process but its own, and no variable of the agent', async (context) => {
    requireSandbox(context);
    const { stdout } = await run(await guardedMachine(), specOf('ls -d /proc/[0-9]* | wc -l; env | sort'));
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
    const spec = specOf(`trap 'echo ended; exit' TERM; env -i sh -c 'trap "" TERM; while : ${mark}; do sleep 1; done' &
      echo ready; while :; do sleep 0.1; done`);
    await there.machine.start(spec, signal);
    await waitFor(async () => (await there.machine.collect(spec.attemptId, 'stdout', 0, 100, signal)).piece !== null);
    await there.machine.cancel(spec.attemptId, 2, signal);
    const report = await waitFor(async () => {
      const now = await there.machine.status(spec.attemptId, signal);
      return now.state === 'done' && now;
    });
    expect(report).toMatchObject({ reason: 'cancel', left: [] });
    const { piece } = await there.machine.collect(spec.attemptId, 'stdout', 0, 100, signal);
    expect(Buffer.from(piece?.bytes ?? []).toString()).toBe('ready\nended\n');
    expect(listProcesses().filter((one) => one.arguments.includes(mark))).toEqual([]);
  });

  test('is shut in although its task asked for nothing, where the agent’s owner wants it so', async (context) => {
    requireSandbox(context);
    const there = await guardedMachine({ TASKEJO_AGENT_SANDBOX: 'bubblewrap' });
    const { stdout } = await run(there, specOf('ls /home 2>&1', { sandbox: 'none' }));
    expect(stdout).toContain("'/home': No such file");
  });

  test('fails in its set-up when its program isn’t to be seen, or a variable would be obeyed outside', async (context) => {
    requireSandbox(context);
    const there = await guardedMachine();
    writeFileSync(join(there.root, 'mine'), '#!/bin/sh\n', { mode: 0o755 });
    const refused = (more: Partial<StartSpec>) => expect(there.machine.start(specOf('', more), signal)).rejects;
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
