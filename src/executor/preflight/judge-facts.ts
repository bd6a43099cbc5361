import { type KeptLimits, namesOfKept } from '../kept-limits.ts';
import type { HostFacts } from './facts.ts';

/** What was looked at. A warning keeps nobody from using the host. */
export type Check = { name: CheckName; status: 'ok' | 'warning' | 'failed'; message: string };
export type CheckName =
  | 'connection'
  | 'shell'
  | 'home'
  | 'space'
  | 'clock'
  | 'programs'
  | 'kill_user_processes'
  | 'wrapper'
  | 'run'
  | 'limits';

export type Wanted = {
  /** First words of the commands that the host would be given. */
  programs: readonly string[];
  labels: readonly string[];
  /** Whether it is tried which limits of a task the host can keep. */
  limits: boolean;
};

const MIB = 1024;
/** Less than the logs of a few attempts, and less than most workspaces want. */
const LEAST_KIB = 64 * MIB;
const FEW_KIB = 1024 * MIB;
const FEW_FILES = 10_000;
const LARGEST_SKEW_SECONDS = 30;

/** What the facts mean, each in a sentence for a person. `nowSeconds`: by our clock, when the host told its time. */
export function judgeFacts(facts: HostFacts, wanted: Wanted, nowSeconds: number): Check[] {
  return [
    shell(facts),
    home(facts),
    space(facts),
    clock(facts, nowSeconds),
    programs(facts, wanted),
    killUserProcesses(facts),
  ];
}

const check = (name: CheckName, status: Check['status'], message: string): Check => ({ name, status, message });

function shell({ system, user, lacks, setsid }: HostFacts): Check {
  if (lacks.length > 0) return check('shell', 'failed', `there is no ${lacks.join(', no ')}`);
  const where = `a POSIX shell on ${system || 'an unknown system'}, as ${user || 'an unknown user'}`;
  if (setsid) return check('shell', 'ok', where);
  return check('shell', 'warning', `${where}, without setsid: what leaves its process group can't be ended`);
}

const home = ({ home: folder, unwritable }: HostFacts): Check =>
  unwritable === null
    ? check('home', 'ok', `${folder} can be written`)
    : check('home', 'failed', `nothing can be kept in ${folder}/.taskejo: ${unwritable}`);

function space({ freeKib, freeFiles }: HostFacts): Check {
  if (freeKib === null) return check('space', 'warning', 'the host does not say how much is free');
  const said = `${Math.floor(freeKib / MIB)} MiB are free`;
  if (freeKib < LEAST_KIB) return check('space', 'failed', `only ${said}`);
  if (freeFiles !== null && freeFiles < FEW_FILES)
    return check('space', 'warning', `${said}, but only for ${freeFiles} files`);
  return freeKib < FEW_KIB ? check('space', 'warning', `only ${said}`) : check('space', 'ok', said);
}

/** Nothing of ours goes by the host's clock; certificates and tokens of what runs there do. */
function clock({ epochSeconds }: HostFacts, nowSeconds: number): Check {
  if (epochSeconds === null) return check('clock', 'warning', 'the host does not say what time it is');
  const ahead = epochSeconds - nowSeconds;
  const seconds = Math.floor(Math.abs(ahead));
  if (seconds <= LARGEST_SKEW_SECONDS) return check('clock', 'ok', 'it has our time');
  return check('clock', 'warning', `it is ${seconds} s ${ahead > 0 ? 'ahead' : 'behind'}`);
}

/** A label that is no program may name anything; a program that a template runs must be there. */
function programs({ has, system }: HostFacts, wanted: Wanted): Check {
  const missing = wanted.programs.filter((name) => !has.includes(name));
  if (missing.length > 0) return check('programs', 'failed', `not found: ${missing.join(', ')}`);
  const words = system.toLowerCase().split(' ');
  const unknown = wanted.labels.filter((label) => !has.includes(label) && !words.includes(label));
  if (unknown.length > 0)
    return check('programs', 'warning', `labels that name no program there: ${unknown.join(', ')}`);
  return check('programs', 'ok', has.length === 0 ? 'none are asked for' : `found: ${has.join(', ')}`);
}

/** A task that asks for one that can't be kept isn't given to the host; all others are. */
export function judgeLimits(kept: KeptLimits): Check {
  const reasons = Object.values(kept).filter((reason) => reason !== null);
  const names = namesOfKept(kept).join(', ');
  if (reasons.length === 0) return check('limits', 'ok', `it can keep ${names}`);
  return check('limits', 'warning', `${reasons.join('; ')}${names === '' ? '' : `. It can keep ${names}`}`);
}

function killUserProcesses(facts: HostFacts): Check {
  const { user, killUserProcesses: kills, killOnlyUsers: only, killExcludeUsers: excluded } = facts;
  const name = 'kill_user_processes';
  if (kills === null) return check(name, 'ok', 'there is no systemd-logind that would say');
  if (!kills || excluded.includes(user) || (only.length > 0 && !only.includes(user)))
    return check(name, 'ok', 'what runs stays when the connection ends');
  return check(
    name,
    'failed',
    `systemd-logind ends what ${user} runs with the connection: add KillExcludeUsers=${user} to /etc/systemd/logind.conf`,
  );
}
