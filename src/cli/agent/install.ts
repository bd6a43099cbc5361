import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { visible } from '../../domain/visible.ts';
import type { Context } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';
import { type AgentOptions, asksAgent } from './client.ts';

type Options = AgentOptions & { user?: string; output?: string; force?: boolean; print?: boolean };

const NAME = 'taskejo-agent.service';

export function addAgentInstall(agent: Command, context: Context): void {
  asksAgent(agent.command('install').description('write the systemd unit that runs the agent on this machine'))
    .option('--user <name>', 'the user it runs as; unless said, yourself')
    .option('--output <file>', 'where to write it; unless said, where systemd looks for it')
    .option('--print', 'only print it')
    .option('--force', 'write over a unit that differs')
    .action((options: Options) => install(options, context));
}

async function install(options: Options, { env, terminal }: Context): Promise<void> {
  const { loadAgentConfig } = await import('../../agent/config.ts');
  const { systemdUnit, variablesFor } = await import('../../agent/systemd-unit.ts');
  const { serviceWarnings } = await import('../../agent/service-warnings.ts');
  const config = await loadAgentConfig({ file: options.config, env });
  if (config.file === null) {
    throw new CliError('no configuration file: a service has no environment to say it all (--config FILE)', EXIT.usage);
  }
  const ofSystem = process.getuid?.() === 0;
  if (options.user !== undefined && !ofSystem) throw new CliError('only root can install for another user', EXIT.usage);
  const path = resolve(config.file);
  const user = options.user === undefined ? null : { name: userName(options.user), stateDir: config.stateDir };
  const service = { file: path, user: user?.name ?? null, variables: variablesFor(user) };
  for (const one of await serviceWarnings(config, env, service)) terminal.err(`warning: ${visible(one)}\n`);
  const text = systemdUnit({
    command: [process.execPath, programFile(), 'agent', '--config', path],
    user,
    stopSeconds: config.stopGraceSeconds + config.killGraceSeconds,
    target: ofSystem ? 'multi-user.target' : 'default.target',
  });
  if (options.print) return terminal.out(text);
  const file = resolve(options.output ?? defaultFile(ofSystem));
  write(file, text, options.force === true);
  terminal.out(`${file} is written. ${ofSystem ? FOR_SYSTEM : FOR_USER}`);
}

const FOR_SYSTEM = `To start the agent, now and at each start of the machine:
  systemctl daemon-reload && systemctl enable --now taskejo-agent
`;
const FOR_USER = `To start the agent, now and at each start of the machine:
  systemctl --user daemon-reload && systemctl --user enable --now taskejo-agent && loginctl enable-linger
`;

function userName(said: string): string {
  if (/^[a-z_][a-z0-9_-]*$/i.test(said)) return said;
  throw new CliError(`${visible(said)} is not the name of a user`, EXIT.usage);
}

const programFile = (): string => fileURLToPath(new URL('../../../bin/taskejo.js', import.meta.url));

const defaultFile = (ofSystem: boolean): string =>
  ofSystem ? join('/etc/systemd/system', NAME) : join(homedir(), '.config/systemd/user', NAME);

function write(file: string, text: string, force: boolean): void {
  if (existsSync(file) && readFileSync(file, 'utf8') !== text && !force) {
    throw new CliError(`${file} is there and differs (--force writes over it)`);
  }
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text, { mode: 0o644 });
  } catch (error) {
    throw new CliError(`cannot write the unit: ${(error as Error).message}`);
  }
}
