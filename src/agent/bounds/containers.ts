import { execFile } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { LeftProcess, MachineReport } from '../../domain/machine.ts';
import { inOneLine } from '../../domain/visible.ts';
import { MachineError } from '../../executor/machine.ts';
import { ensurePrivateFolder, readPrivateFile, writePrivateFile } from '../private-files.ts';
import { type ContainerOptions, containerName } from './container.ts';

const run = promisify(execFile);
const ANSWER_MS = 30_000;

/** What became of an attempt's container, written down before that is removed. */
const ended = z.object({ failure: z.string().nullable(), outOfMemory: z.boolean() });
type Ended = z.infer<typeof ended>;

/** The containers of attempts. They aren't children of ours: whoever kills their program leaves them running. */
export type Containers = {
  /** The attempt is to run in one. On the disk when this returns. */
  note(attemptId: string): void;
  /** A report that is the truth: of what is over no container is left, and one that never began is a failed set-up. */
  settle(attemptId: string, report: MachineReport): Promise<MachineReport>;
  forget(attemptId: string): void;
};

export function createContainers(stateDir: string, options: ContainerOptions | null): Containers {
  const folder = join(stateDir, 'containers');
  const fileOf = (attemptId: string) => join(folder, `${attemptId}.json`);
  return {
    note(attemptId) {
      ensurePrivateFolder(folder);
      if (!existsSync(fileOf(attemptId))) writePrivateFile(fileOf(attemptId), '');
    },
    async settle(attemptId, report) {
      const text = OVER.includes(report.state) ? readPrivateFile(fileOf(attemptId)) : null;
      if (text === null || report.state === 'void') return report;
      if (options === null) throw new MachineError('configuration', 'container.image is needed to end a container');
      const known = text === '' ? null : ended.parse(JSON.parse(text));
      const how = known ?? (await end(attemptId, report, options, fileOf(attemptId)));
      const left = await remove(attemptId, options);
      return corrected(report, how, left);
    },
    forget: (attemptId) => rmSync(fileOf(attemptId), { force: true }),
  };
}

const OVER: readonly string[] = ['done', 'void', 'rebooted', 'vanished'];

async function end(attemptId: string, report: MachineReport, options: ContainerOptions, file: string): Promise<Ended> {
  const state = await inspect(attemptId, options);
  const one = { failure: failureToBegin(report, state), outOfMemory: state?.OOMKilled === true };
  writePrivateFile(file, JSON.stringify(one));
  return one;
}

/** What the programs end with when they could not make the container at all. */
const NOT_MADE = 125;
const NOT_BEGUN = ['created', 'configured', 'initialized'];

function failureToBegin({ exitCode }: MachineReport, state: z.infer<typeof inspected> | null): string | null {
  if (state === null) return exitCode === NOT_MADE ? 'the container could not be made, see the log' : null;
  return NOT_BEGUN.includes(state.Status)
    ? `the container could not be started: ${state.Error || 'see the log'}`
    : null;
}

const inspected = z.object({
  Status: z.string(),
  Pid: z.int(),
  Error: z.string().default(''),
  OOMKilled: z.boolean().default(false),
});

async function inspect(attemptId: string, { program, environment }: ContainerOptions) {
  const words = ['container', 'inspect', '--format', '{{json .State}}', containerName(attemptId)];
  try {
    const { stdout } = await run(program, words, { env: environment, timeout: ANSWER_MS });
    return inspected.parse(JSON.parse(stdout));
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    if (/no such (container|object)/i.test(stderr)) return null;
    throw new MachineError(
      'unreachable',
      `${program} can't say what became of a container: ${inOneLine(stderr || message)}`,
    );
  }
}

/** One that is just ending can't be removed in that moment. */
const TRIES = 6;
const BETWEEN_MS = 500;

/** Removes the container with all that runs in it; answers what could not be. */
async function remove(attemptId: string, options: ContainerOptions): Promise<LeftProcess[]> {
  const words = ['rm', '--force', '--volumes', ...(options.kind === 'podman' ? ['--time', '0'] : [])];
  const how = { env: options.environment, timeout: ANSWER_MS };
  let there = await inspect(attemptId, options);
  for (let tries = 0; there !== null && tries < TRIES; tries += 1) {
    if (tries > 0) await delay(BETWEEN_MS);
    await run(options.program, [...words, containerName(attemptId)], how).catch(() => {}); // what is left is looked at
    there = await inspect(attemptId, options);
  }
  return there === null || there.Pid === 0 ? [] : [{ pid: there.Pid, command: 'container' }];
}

function corrected(report: MachineReport, { failure, outOfMemory }: Ended, left: LeftProcess[]): MachineReport {
  const whole = { ...report, left: report.left && [...report.left, ...left] };
  if (report.reason !== 'exit') return whole;
  if (failure !== null) return { ...whole, reason: 'setup', message: failure };
  return outOfMemory && report.exitCode !== 0 ? { ...whole, reason: 'memory' } : whole;
}
