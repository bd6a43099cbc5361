import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { environmentOf, killAll, listProcesses } from '../support/proc.ts';
import { waitFor } from '../support/wait-for.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/taskejo.js', import.meta.url));
/** The story takes half a minute, and here several are told at once. */
const PATIENCE = { timeoutMs: 120_000 };
const TIMES = { timeout: 200_000 };

type Demo = {
  process: ChildProcess;
  said(): string;
  /** Resolves when it has ended and all that it said was read. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  leftovers(): string[];
};

/** Processes other than the demo itself that were started with this folder, in their arguments or environment. */
const startedIn = (folder: string, demo: ChildProcess | null) =>
  listProcesses()
    .filter(({ pid }) => pid !== demo?.pid)
    .filter(({ pid, arguments: args }) => [args, ...environmentOf(pid)].join(' ').includes(`${folder}/`));

/** A demo whose folder for temporary files is its own, so that all it leaves shows. */
function startDemo(outer: string, args: string[], env: NodeJS.ProcessEnv = {}): Demo {
  const folder = join(outer, 'of-the-demo');
  mkdirSync(folder, { recursive: true });
  const process_ = spawn(process.execPath, [LAUNCHER, 'demo', ...args], {
    cwd: outer,
    env: {
      ...process.env,
      TMPDIR: folder,
      TASKEJO_NO_INSTALL: '1',
      DATABASE_URL: 'postgres://not.to.be.used/',
      ...env,
    },
  });
  let said = '';
  for (const stream of [process_.stdout, process_.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
  }
  return {
    process: process_,
    said: () => said,
    ended: new Promise((resolve) => process_.once('close', (code, signal) => resolve({ code, signal }))),
    leftovers: () => [
      ...readdirSync(folder),
      ...readdirSync(outer).filter((name) => name !== 'of-the-demo'),
      ...startedIn(outer, process_).map(({ pid, arguments: command }) => `${pid} ${command}`),
    ],
  };
}

const isServer = ({ arguments: command }: { arguments: string }): boolean => / serve --config /.test(command);

describe('four demos at once:', () => {
  const outer = realpathSync(mkdtempSync(join(tmpdir(), 'taskejo-test-')));
  const room = (name: string) => join(outer, name);
  let demos: Record<'whole' | 'kept' | 'killed' | 'broken', Demo>;
  beforeAll(() => {
    mkdirSync(room('bin'));
    writeFileSync(join(room('bin'), 'sshd'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    demos = {
      whole: startDemo(room('whole'), []),
      kept: startDemo(room('kept'), ['--keep'], { PATH: `${room('bin')}:${process.env.PATH}` }),
      killed: startDemo(room('killed'), []),
      broken: startDemo(room('broken'), ['--keep']),
    };
  });
  afterAll(() => {
    for (const demo of Object.values(demos)) demo.process.kill('SIGKILL');
    killAll(startedIn(outer, null).map(({ pid }) => pid));
    rmSync(outer, { recursive: true, force: true, maxRetries: 5 });
  });

  test('one that is killed while a task runs leaves nothing', TIMES, async () => {
    const demo = demos.killed;
    await waitFor(() => demo.said().includes('│'), { ...PATIENCE, what: 'the first line of a task' });
    expect(demo.leftovers().length).toBeGreaterThan(5);
    demo.process.kill('SIGKILL');
    await waitFor(() => demo.leftovers().length === 0, { what: 'nothing is left' });
  });

  test('one whose server dies says so, keeps what its programs wrote and ends the rest', TIMES, async () => {
    const demo = demos.broken;
    const server = await waitFor(
      () => demo.said().includes('│') && startedIn(room('broken'), demo.process).find(isServer),
      { ...PATIENCE, what: 'the first line of a task' },
    );
    process.kill(server.pid, 'SIGKILL');
    expect((await demo.ended).code).toBe(1);
    expect(demo.said()).toContain('The demo failed: the server ended with SIGKILL');
    const logs = /programs wrote is in\s+(\S+)/.exec(demo.said())?.[1] ?? '';
    expect(readdirSync(logs).sort()).toEqual(expect.arrayContaining(['agent.log', 'server.log']));
    expect(demo.leftovers()).toEqual([basename(dirname(logs))]);
  });

  test('one tells the whole story, ends by itself and leaves nothing', TIMES, async () => {
    const demo = demos.whole;
    const { code } = await demo.ended;
    const said = demo.said();
    expect({ code, said }).toMatchObject({ code: 0 });
    expect(demo.leftovers()).toEqual([]);

    const rows = said.slice(said.indexOf('What became of it')).split('\n').slice(2, 6);
    const facts = rows.map((row) => row.trim().split(/ {2,}/).slice(1));
    expect(facts).toEqual([
      ['ssh_cli', 'no', 'build-1', '1', 'completed', '0'],
      ['http_pull', 'no', 'lab-1', '1', 'completed', '0'],
      ['http_pull', 'to lab-1', 'lab-1', '1', 'completed', '0'],
      ['ssh_cli', 'no', 'build-1', '1', 'completed', '0'],
    ]);
    for (const part of [
      /is there, undecided/,
      /→ ssh_cli: the server starts it over SSH on the host build-1/,
      /│ alice\/widgets#2: Bump the linter/,
      /→ http_pull: no host has `lab`/,
      /a coordinator named lab-1/,
      /The server sees build-1 offline/,
      /attempts 1, process (\d+) before and \1 after, log\s+whole/,
      /ignored: mallory is\s+neither the owner/,
      /401 signature_invalid.*Nothing was stored: 5 deliveries before, 5 after/s,
    ]) {
      expect(said).toMatch(part);
    }
  });

  test(
    'one without an sshd that works serves a host itself; it stays up when asked to, until Ctrl-C',
    TIMES,
    async () => {
      const demo = demos.kept;
      await waitFor(() => demo.said().includes('task log --follow'), { ...PATIENCE, what: 'the end of the story' });
      expect(demo.said()).toMatch(/sshd is here but can't be used.*serves on loopback takes its place/s);
      const url = /Its page: +(\S+)/.exec(demo.said())?.[1] ?? '';
      expect((await fetch(new URL('/readyz', url))).status).toBe(200);
      demo.process.kill('SIGINT');
      expect(await demo.ended).toEqual({ code: 0, signal: null });
      expect(demo.leftovers()).toEqual([]);
    },
  );
});
