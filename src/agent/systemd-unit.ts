/** Everything that a unit for the agent is made of; paths are absolute. */
export type UnitOptions = {
  /** Program and arguments that start the agent. */
  command: readonly string[];
  /** A user's own unit has none: it runs as that user. */
  user: string | null;
  /** How long the agent may take to stop: its grace, and some time to report. */
  stopSeconds: number;
  target: 'multi-user.target' | 'default.target';
};

const REPORT_SECONDS = 30;

/**
 * The unit that runs the agent. What it started must outlive its restart, so only the agent itself is ended by a stop;
 * what another start would not mend isn't tried again.
 */
export function systemdUnit({ command, user, stopSeconds, target }: UnitOptions): string {
  return `[Unit]
Description=Taskejo pull agent
After=network-online.target
Wants=network-online.target

[Service]
${user === null ? '' : `User=${quoted(user)}\n`}ExecStart=${command.map(quoted).join(' ')}
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

/** A word as systemd reads it: it knows quotes, and expands what begins with % and $. */
function quoted(word: string): string {
  const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  if (/^[\w@%+=:,./$-]+$/.test(plain)) return plain;
  return `"${plain.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
