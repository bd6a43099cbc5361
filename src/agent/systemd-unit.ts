/** Everything that a unit for the agent is made of; paths are absolute. */
export type UnitOptions = {
  /** Program and arguments that start the agent. */
  command: readonly string[];
  /** Another user than the one whose unit it is; the state is that user's then. */
  user: { name: string; stateDir: string } | null;
  /** How long the agent may take to stop: its grace, and some time to report. */
  stopSeconds: number;
  target: 'multi-user.target' | 'default.target';
};

const REPORT_SECONDS = 30;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a line's end would begin another setting
const CONTROL = /[\x00-\x1f\x7f]/g;

/**
 * The unit that runs the agent, after docker where there is one. What it started must outlive its restart, so only the
 * agent itself is ended by a stop; what another start would not mend isn't tried again.
 */
export function systemdUnit({ command, user, stopSeconds, target }: UnitOptions): string {
  return `[Unit]
Description=Taskejo pull agent
After=network-online.target docker.service
Wants=network-online.target

[Service]
${user === null ? '' : asUser(user)}ExecStart=${commandLine(command)}
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=2 3
KillMode=process
TimeoutStopSec=${Math.ceil(stopSeconds) + REPORT_SECONDS}
UMask=0077
OOMPolicy=continue
Delegate=yes

[Install]
WantedBy=${target}
`;
}

function asUser({ name, stateDir }: NonNullable<UnitOptions['user']>): string {
  const folder = /^\/var\/lib\/([\w.-]+)$/.exec(stateDir)?.[1];
  const made = folder === undefined ? '' : `StateDirectory=${folder}\nStateDirectoryMode=0700\n`;
  const variables = Object.entries(variablesFor({ stateDir })).map(([name, value]) => quoted(`${name}=${value}`));
  return `User=${name}\n${made}CacheDirectory=taskejo-agent\nCacheDirectoryMode=0700\nEnvironment=${variables.join(' ')}\n`;
}

/** What the unit says of the agent's settings, for another user: whose folders are elsewhere. */
export const variablesFor = (user: { stateDir: string } | null): Record<string, string> =>
  user === null ? {} : { TASKEJO_AGENT_STATE_DIR: user.stateDir };

/** In the program's own name no variables are expanded, in its arguments they are. */
const commandLine = ([program = '', ...words]: readonly string[]): string =>
  [quoted(program), ...words.map((word) => quoted(word.replaceAll('$', '$$$$')))].join(' ');

/** A word as systemd reads it everywhere: it knows quotes and escapes, and expands what begins with %. */
function quoted(word: string): string {
  const plain = word.replaceAll('%', '%%');
  if (/^[\w@%+=:,./$-]+$/.test(plain)) return plain;
  const escaped = plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return `"${escaped.replace(CONTROL, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;
}
