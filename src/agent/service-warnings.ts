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
    ...(service.user === null ? [] : warningsOfUser(service.user, [service.file, ...here.secretFiles])),
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

function warningsOfUser(user: string, files: readonly string[]): string[] {
  const uid = Number(idOf(user, '-u'));
  const groups = idOf(user, '-G').split(' ').map(Number);
  const mayRead = (file: string) => {
    const { uid: owner, gid, mode } = statSync(file);
    if (uid === 0 || owner === uid) return true;
    return (mode & (groups.includes(gid) ? 0o040 : 0o004)) !== 0;
  };
  return files.filter((file) => !mayRead(file)).map((file) => `${user} can't read ${file}: chown ${user} ${file}`);
}

function idOf(user: string, what: '-u' | '-G'): string {
  try {
    return execFileSync('id', [what, '--', user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch (error) {
    throw new AgentError(`there is no user ${user} on this machine`, undefined, { cause: error });
  }
}
