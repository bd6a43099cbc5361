import { randomUUIDv7 } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { MachineReport, StartSpec } from '../domain/machine.ts';
import { NO_LIMITS } from '../domain/task.ts';
import type { KeptLimits } from './kept-limits.ts';
import { type Machine, MachineError, type MachineErrorKind } from './machine.ts';
import { factsScript, parseFacts } from './preflight/facts.ts';
import { type Check, type CheckName, judgeFacts, judgeLimits, type Wanted } from './preflight/judge-facts.ts';
import { newCheckFolder, removeCheckFolder } from './ssh/check-folder.ts';
import type { SshHost } from './ssh/host.ts';

export type { Check, Wanted } from './preflight/judge-facts.ts';

export type Preflight = {
  /** Opens the host; nothing is asked before. The id names the control folder, which is removed in the end. */
  open: (installationId: string) => SshHost;
  wanted: Wanted;
  /** Called as soon as something is known. */
  tell: (check: Check) => void;
  epochMs: () => number;
};

/**
 * Looks whether a host can run tasks, without leaving anything there but the wrapper script: what it says of itself, and
 * whether a command that was started goes on without a connection and is found again with its true exit code. Never
 * rejects for something that is wrong with the host; what can't be looked at any more is left out.
 */
export async function preflight({ open, wanted, tell, epochMs }: Preflight, signal: AbortSignal): Promise<Check[]> {
  const checks: Check[] = [];
  const note = (check: Check) => {
    checks.push(check);
    tell(check);
  };
  const folder = newCheckFolder();
  try {
    for (const check of await factsOf(() => open(folder), wanted, epochMs, signal)) note(check);
    if (checks.some(({ status, name }) => status === 'failed' && NEEDED.includes(name))) return checks;
    note(await runWithoutConnection(() => open(folder), folder, signal));
    if (wanted.limits) note(judgeLimits(await limitsOf(() => open(folder), signal)));
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
    note({ name: CHECK_OF[error.kind], status: 'failed', message: error.message });
  }
  return checks;
}

/** In a sentence, for a host that need have no program of anybody's and keep no limit. Null: it can run tasks. */
export async function whatIsWrong(open: Preflight['open'], signal: AbortSignal): Promise<string | null> {
  const wanted = { programs: [], labels: [], limits: false };
  const checks = await preflight({ open, wanted, tell: () => {}, epochMs: () => Date.now() }, signal);
  const failed = checks.filter(({ status }) => status === 'failed');
  return failed.length === 0 ? null : failed.map(({ message }) => message).join('; ');
}

/** Without these nothing can be started. */
const NEEDED: readonly CheckName[] = ['shell', 'home', 'space'];

const CHECK_OF: Record<MachineErrorKind, CheckName> = {
  unreachable: 'connection',
  host_key: 'connection',
  auth: 'connection',
  configuration: 'connection',
  noise: 'shell',
  shell: 'wrapper',
  home: 'home',
  disk_full: 'space',
  refused: 'wrapper',
  store_changed: 'wrapper',
};

async function factsOf(
  open: () => SshHost,
  wanted: Wanted,
  epochMs: () => number,
  signal: AbortSignal,
): Promise<Check[]> {
  const host = open();
  try {
    const { stdout } = await host.sh(factsScript([...new Set([...wanted.programs, ...wanted.labels])]), signal);
    const facts = parseFacts(stdout);
    const connected: Check = { name: 'connection', status: 'ok', message: 'the host shows its key and lets us in' };
    return [connected, ...judgeFacts(facts, wanted, epochMs() / 1000)];
  } finally {
    host.close();
  }
}

async function limitsOf(open: () => SshHost, signal: AbortSignal): Promise<KeptLimits> {
  const host = open();
  try {
    return await host.keptLimits(signal);
  } finally {
    host.close();
  }
}

const EXIT_CODE = 7;
const ENDED_WITHIN_MS = 20_000;

/** Starts a command, hangs up, and looks what became of it. */
async function runWithoutConnection(open: () => SshHost, folder: string, signal: AbortSignal): Promise<Check> {
  const attemptId = randomUUIDv7();
  const first = open();
  try {
    await first.machine.start(specOf(attemptId), signal);
  } finally {
    first.close();
  }
  const second = open();
  try {
    return judgeRun(await untilOver(second.machine, attemptId, signal));
  } finally {
    await removeCheckFolder(second.sh, folder, signal);
    second.close();
  }
}

async function untilOver(machine: Machine, attemptId: string, signal: AbortSignal): Promise<MachineReport> {
  const giveUpAt = performance.now() + ENDED_WITHIN_MS;
  for (;;) {
    const report = await machine.status(attemptId, signal);
    const going = report.state === 'starting' || report.state === 'running';
    if (!going || performance.now() > giveUpAt) return report;
    await delay(200, undefined, { signal });
  }
}

function judgeRun({ state, exitCode, reason, message }: MachineReport): Check {
  const name = 'run';
  if (state === 'done' && exitCode === EXIT_CODE)
    return { name, status: 'ok', message: 'a command went on without a connection, and its exit code was had' };
  if (state === 'done' && reason === 'exit')
    return { name, status: 'failed', message: `a command that ends with ${EXIT_CODE} ended with ${exitCode}` };
  const said = message ?? (state === 'done' ? reason : state);
  return { name, status: 'failed', message: `a command did not go on without a connection: ${said}` };
}

const specOf = (attemptId: string): StartSpec => ({
  attemptId,
  taskId: randomUUIDv7(),
  number: 1,
  installationId: 'check',
  command: ['sh', '-c', `sleep 1; exit ${EXIT_CODE}`],
  input: new Uint8Array(),
  environment: {},
  limits: NO_LIMITS,
  sandbox: 'none',
  timeoutSeconds: 10,
  killGraceSeconds: 1,
});
