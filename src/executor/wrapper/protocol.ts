import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import {
  END_REASONS,
  MACHINE_STATES,
  type MachineReport,
  type MachineUsage,
  type StartSpec,
} from '../../domain/machine.ts';
import type { EnvironmentValue } from '../../domain/task.ts';
import { MachineError, type MachineErrorKind } from '../machine.ts';
import { beginScript, isBounded } from './limits.ts';

const text = readFileSync(new URL('./taskejo.sh', import.meta.url));
const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);

/** The script that runs on the machine. Its name holds its hash, so that releases live side by side. */
export const WRAPPER = { name: `w-${hash}.sh`, text } as const;

/** Names that a release may have given to its script. */
export const isWrapperName = (name: string): boolean => /^w-[0-9a-f]{16}\.sh$/.test(name);

const MAGIC = 'taskejo1 ';
const ID = /^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** A shell owns these: setting one breaks it, or is not passed on. */
const SHELL_OWNED = new Set(
  'UID EUID PPID GROUPS SHELLOPTS BASHOPTS OPTIND OPTARG OPTERR LINENO IFS ENV BASH_ENV PS4 _'.split(' '),
);

/** An answer of the script: the report of its first line, and the bytes after it. */
export type Reply = { report: MachineReport; at: number; bytes: number; body: Buffer };

/** Checks the words of a command line; nothing but ids and numbers ever stands in one. */
export function commandWords(words: readonly (string | number)[]): string[] {
  return words.map((word) => {
    if (ID.test(String(word))) return String(word);
    throw new MachineError('configuration', `not an id or a number: ${JSON.stringify(word)}`);
  });
}

const quote = (value: string) => `'${value.replaceAll("'", "'\\''")}'`;

function refuseNul(what: string, value: string): void {
  if (value.includes('\0')) throw new MachineError('configuration', `${what} contains a NUL byte`);
}

function exportLine([name, value]: [string, EnvironmentValue]): string {
  if (!NAME.test(name) || SHELL_OWNED.has(name))
    throw new MachineError('configuration', `${name} can't be set in the environment of a command`);
  if (typeof value !== 'string')
    throw new MachineError('configuration', `the server gave no value for the secret ${value.secret}`);
  refuseNul(`the environment variable ${name}`, value);
  return `export ${name}=${quote(value)}\n`;
}

/** What stands in the place of an attempt where one is started: the machine makes ready before it is told which. */
export type StartKind = 'free' | 'bounded';

/**
 * The standard input of `start`: the script that travels, and the command's input. The attempt's id is exported last:
 * its processes are found by it.
 */
export function encodeStart(spec: StartSpec): { kind: StartKind; stdin: Buffer } {
  if (spec.command.length === 0 || spec.command[0] === '') throw new MachineError('configuration', 'no command');
  if (spec.sandbox !== 'none')
    throw new MachineError('configuration', `the sandbox ${spec.sandbox} is not available on this machine`);
  for (const argument of spec.command) refuseNul('an argument of the command', argument);
  const own: [string, string][] = [
    ['TASKEJO_TASK_ID', spec.taskId],
    ['TASKEJO_ATTEMPT_ID', spec.attemptId],
  ];
  const exports = [...Object.entries(spec.environment), ...own].map(exportLine).join('');
  const script = `${beginScript(spec.limits)}${exports}set -- ${spec.command.map(quote).join(' ')}\n`;
  return {
    kind: isBounded(spec.limits) ? 'bounded' : 'free',
    stdin: Buffer.concat([Buffer.from(`${firstLine(spec, Buffer.byteLength(script))}${script}`), spec.input]),
  };
}

const BYTES_DIGITS = 10;

/** Of what is started, and how large the script is, this line among it, and the input. */
function firstLine({ attemptId, taskId, number, input, store, ...spec }: StartSpec, scriptBytes: number): string {
  const seconds = [Math.max(1, Math.ceil(spec.timeoutSeconds)), Math.max(0, Math.ceil(spec.killGraceSeconds))];
  const before = commandWords([attemptId, taskId, number, ...seconds]).join(' ');
  const after = commandWords([input.length, ...(store === undefined ? [] : [store.storeId, store.bootId])]).join(' ');
  const lineOf = (bytes: number) => `# ${before} ${String(bytes).padStart(BYTES_DIGITS)} ${after}\n`;
  return lineOf(lineOf(0).length + scriptBytes);
}

const count = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);
const none = z.literal('-').transform(() => null);
const line = z.object({
  state: z.enum(MACHINE_STATES),
  code: none.or(count),
  reason: none.or(z.enum(END_REASONS)),
  pid: none.or(count),
  start: z.string(),
  processBoot: z.string(),
  store: z.string().min(1),
  boot: z.string().min(1),
  stdoutTotal: count,
  stdoutFrom: count,
  stderrTotal: count,
  stderrFrom: count,
  lost: z.enum(['0', '1']),
  left: z.string(),
  used: z.string(),
  at: count,
  bytes: count,
});
const FIELDS = Object.keys(line.shape);

/** True when the bytes begin with an answer of the script, rather than with something else that the shell printed. */
export const isReply = (bytes: Buffer): boolean => bytes.subarray(0, MAGIC.length).toString('latin1') === MAGIC;

/** Reads an answer. Throws {@link MachineError}: what the script complains of, or `noise` for anything else. */
export function parseReply(bytes: Buffer): Reply {
  const end = bytes.indexOf(0x0a);
  if (!isReply(bytes) || end < 0) throw noise(bytes);
  const first = bytes.subarray(MAGIC.length, end).toString('utf8');
  if (first.startsWith('! ')) throw complaint(first);
  const words = first.split(' ');
  const parsed = line.safeParse(Object.fromEntries(FIELDS.map((name, i) => [name, words[i]])));
  if (!parsed.success) throw noise(bytes);
  const { at, bytes: size, ...said } = parsed.data;
  const message = words.slice(FIELDS.length).join(' ').trim();
  return { report: toReport(said, message), at, bytes: size, body: bytes.subarray(end + 1) };
}

function toReport(said: Omit<z.infer<typeof line>, 'at' | 'bytes'>, message: string): MachineReport {
  const ended = said.state === 'done';
  return {
    state: said.state,
    exitCode: ended ? said.code : null,
    reason: ended ? said.reason : null,
    message: message === '' ? null : printable(message),
    process: said.pid === null ? null : { pid: said.pid, startedAt: said.start, bootId: said.processBoot },
    streams: {
      stdout: { total: said.stdoutTotal, keptFrom: said.stdoutFrom },
      stderr: { total: said.stderrTotal, keptFrom: said.stderrFrom },
    },
    logLost: said.lost === '1',
    left: ended ? parseLeft(said.left) : null,
    usage: ended ? parseUsage(said.used, said.start) : null,
    progress: null,
    storeId: said.store,
    bootId: said.boot,
  };
}

function parseLeft(left: string): { pid: number; command: string }[] {
  if (left === '-') return [];
  return left.split(',').map((one) => {
    const [pid, ...name] = one.split(':');
    return { pid: Number(pid), command: name.join(':') };
  });
}

const SECONDS = '(\\d{1,9}(?:\\.\\d{1,9})?)';
const USED = new RegExp(`^(\\d{1,9})m${SECONDS}s,(\\d{1,9})m${SECONDS}s,(?:${SECONDS}|-),(?:(\\d{1,15})(k?)|-)$`);
/** In which the kernel of Linux tells when a process began, on every machine. */
const TICKS_PER_SECOND = 100;

function parseUsage(used: string, start: string): MachineUsage | null {
  const [, userMinutes, user, sysMinutes, sys, uptime, most, unit] = USED.exec(used) ?? [];
  if (user === undefined) return null;
  const wall = Number(uptime) - Number(start) / TICKS_PER_SECOND;
  const bytes = Number(most ?? 0) * (unit === 'k' ? 1024 : 1);
  return {
    cpuSeconds: rounded((Number(userMinutes) + Number(sysMinutes)) * 60 + Number(user) + Number(sys)),
    wallSeconds: wall >= 0 ? rounded(wall) : null,
    maxRssBytes: bytes > 0 ? bytes : null,
  };
}

const rounded = (seconds: number): number => Math.round(seconds * 1000) / 1000;

function complaint(first: string): MachineError {
  const [, kind = '', ...sentence] = first.split(' ');
  const known: MachineErrorKind[] = ['home', 'disk_full', 'shell', 'refused', 'store_changed'];
  return new MachineError(known.find((one) => one === kind) ?? 'shell', printable(sentence.join(' ')));
}

function noise(bytes: Buffer): MachineError {
  const said = printable(bytes.subarray(0, 200).toString('utf8'));
  return new MachineError(
    'noise',
    `the machine's shell printed something of its own (check its start-up files): ${JSON.stringify(said)}`,
  );
}

/** The last line of a progress file's tail, null if it has none. */
export function lastLine(tail: Buffer): string | null {
  const lines = tail
    .toString('utf8')
    .split('\n')
    .map((one) => one.trim());
  return printable(lines.findLast((one) => one !== '') ?? '') || null;
}

/** What a machine says is shown to people: no control characters, no end. */
function printable(said: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: taking them out is the point
  return said.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').slice(0, 500);
}
