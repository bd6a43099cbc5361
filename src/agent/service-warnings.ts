import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { ConfigError, type Environment } from '../yaml-file.ts';
import { type AgentConfig, loadAgentConfig } from './config.ts';
import { AgentError } from './exit.ts';
import { isRegistered } from './identity.ts';

export type Service = {
  file: string;
  /** Null: whoever installs it. */
  user: string | null;
  /** The only ones that its unit gives it. */
  variables: Readonly<Record<string, string>>;
};

/** What is well here, and won't be for the service, as sentences: it finds neither our variables nor our files. */
export async function serviceWarnings(here: AgentConfig, env: Environment, service: Service): Promise<string[]> {
  const lost = Object.keys(env).filter((name) => /^TASKEJO_AGENT_/.test(name) && !(name in service.variables));
  return [
    ...lost.map((name) => `${name} is set here, and not for the service: say it in the file`),
    ...(await warningsOfSettings(here, service)),
    ...(service.user === null ? [] : warningsOfUser(service.user, service.file)),
  ];
}

async function warningsOfSettings(here: AgentConfig, { file, variables }: Service): Promise<string[]> {
  try {
    const there = await loadAgentConfig({ file, env: variables });
    const moved = there.stateDir === here.stateDir ? [] : [`its state will lie in ${there.stateDir}: say state_dir`];
    const { token, registrationToken } = there.server;
    const hasToken = token !== null || registrationToken !== null || isRegistered(there);
    return hasToken ? moved : [...moved, NO_TOKEN];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n').map((line) => `${line}, for the service`);
  }
}

const NO_TOKEN =
  'the service finds no variable of yours, and so no token for its first start: let the file say one, or ' +
  '{file: PATH}';

function warningsOfUser(user: string, file: string): string[] {
  const uid = uidOf(user);
  const { uid: owner, mode } = statSync(file);
  return uid === owner || (mode & 0o004) !== 0 ? [] : [`${user} can't read ${file}: chown ${user} ${file}`];
}

function uidOf(user: string): number {
  try {
    return Number(execFileSync('id', ['-u', '--', user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch (error) {
    throw new AgentError(`there is no user ${user} on this machine`, undefined, { cause: error });
  }
}
