import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { visible } from '../../domain/visible.ts';
import type { Context } from '../connect.ts';
import { CliError } from '../errors.ts';
import { type AgentOptions, asksAgent } from './client.ts';

export function addAgentConfig(agent: Command, context: Context): void {
  asksAgent(agent.command('init'))
    .description('write a configuration file for the agent, with all that may stand in it')
    .option('--force', 'write over one that is there')
    .action((options: AgentOptions & { force?: boolean }) => init(options, context));
  asksAgent(agent.command('config'))
    .description("say all that is wrong with the agent's configuration, with line numbers; exit code 2 if anything is")
    .action((options: AgentOptions) => check(options, context));
}

/** Where an agent looks by itself. */
const PLACES = [resolve('agent.yaml'), '/etc/taskejo/agent.yaml'];

function init({ config: file = 'agent.yaml', force = false }: AgentOptions & { force?: boolean }, context: Context) {
  const example = readFileSync(new URL('../../../docs/agent.example.yaml', import.meta.url), 'utf8');
  try {
    // Whoever writes a token into it shows it to nobody.
    writeFileSync(file, example, { mode: 0o600, flag: force ? 'w' : 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new CliError(`${file} is there; nothing was changed (--force writes over it)`);
    throw new CliError(`cannot write ${file}: ${message}`, undefined, { cause: error });
  }
  const option = PLACES.includes(resolve(file)) ? '' : ` --config ${file}`;
  const next = `taskejo agent config${option} && taskejo agent${option}`;
  context.terminal.out(`${file} is written. Say where the server is, then: ${next}\n`);
}

async function check({ config: file }: AgentOptions, { env, terminal }: Context): Promise<void> {
  const { loadAgentConfig } = await import('../../agent/config.ts');
  const { file: found, name, labels, capacity, server, strangeVariables } = await loadAgentConfig({ file, env });
  for (const one of strangeVariables) terminal.err(`warning: ${visible(one)}\n`);
  const about = [`${name} at ${server.url}`, `capacity ${capacity}`, `labels ${labels.join(', ') || 'none'}`];
  terminal.out(`${found ?? 'no file, the environment'}: no mistakes; ${about.join('; ')}\n`);
}
