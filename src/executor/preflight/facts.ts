import { readFileSync } from 'node:fs';
import { MachineError } from '../machine.ts';

const SCRIPT = readFileSync(new URL('./facts.sh', import.meta.url));
const MAGIC = 'taskejo-facts1\n';

/** What a host said of itself. Null: it could not tell. */
export type HostFacts = {
  system: string;
  user: string;
  home: string;
  /** Why nothing can be kept in its home; null where something can. */
  unwritable: string | null;
  freeKib: number | null;
  freeFiles: number | null;
  epochSeconds: number | null;
  /** Programs without which nothing can be run there. */
  lacks: readonly string[];
  setsid: boolean;
  killUserProcesses: boolean | null;
  killOnlyUsers: readonly string[];
  killExcludeUsers: readonly string[];
  /** Of the programs that were asked for. */
  has: readonly string[];
};

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** What is sent to a shell's standard input. Nothing that people wrote ever stands in a command line. */
export function factsScript(programs: readonly string[]): Uint8Array {
  const wanted = programs.filter((name) => name !== '' && !/[\0\n]/.test(name));
  return Buffer.concat([Buffer.from(`set -- ${wanted.map(quote).join(' ')}\n`), SCRIPT]);
}

/** @throws {MachineError} for an answer that is none, or not whole */
export function parseFacts(answer: Buffer): HostFacts {
  const text = answer.toString('utf8');
  if (!text.startsWith(MAGIC)) throw noise(text);
  const lines = text.slice(MAGIC.length).split('\n');
  if (lines.at(-2) !== 'end .') throw new MachineError('shell', 'the shell did not come to the end of the script');
  const said = lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);
  const all = (name: string) => said.filter(([key]) => key === name).map(([, value]) => printable(value));
  const one = (name: string) => all(name)[0] ?? null;
  const killing = one('KillUserProcesses');
  const users = (name: string) => (one(name) ?? '').split(' ').filter((user) => user !== '');
  return {
    system: one('system') ?? '',
    user: one('user') ?? '',
    home: one('home') ?? '',
    unwritable: one('writable') === 'yes' ? null : (one('unwritable') ?? 'it does not say why'),
    freeKib: number(one('free_kib')),
    freeFiles: number(one('free_files')),
    epochSeconds: number(one('time')),
    lacks: all('lacks'),
    setsid: one('setsid') === 'yes',
    killUserProcesses: killing === null ? null : killing === 'yes',
    killOnlyUsers: users('KillOnlyUsers'),
    killExcludeUsers: users('KillExcludeUsers'),
    has: all('has'),
  };
}

const number = (text: string | null): number | null => (text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null);

function noise(text: string): MachineError {
  const said = JSON.stringify(printable(text.slice(0, 200)));
  return new MachineError('noise', `the shell printed something of its own (check its start-up files): ${said}`);
}

/** What a host says is shown to people: no control characters, no end. */
const printable = (said: string): string => said.replace(/\p{Cc}+/gu, ' ').slice(0, 500);
