import type { Command } from 'commander';
import type { Context } from '../connect.ts';
import { type AgentOptions, asksAgent } from './client.ts';
import { addAgentConfig } from './config.ts';
import { addAgentInstall } from './install.ts';
import { addAgentLeave } from './leave.ts';
import { addAgentResults } from './results.ts';
import { addAgentStatus } from './status.ts';
import { addAgentSteering } from './steer.ts';

const EXIT_CODES = `
Exit codes of the agent: 0 stopped, 1 stopped by force, 2 configuration, store or sandbox refused, 3 another instance.
Of the commands: 0 done, 1 refused or no agent runs here, 2 the command line or the configuration is wrong.`;

export function addAgent(program: Command, context: Context): void {
  const agent = asksAgent(program.command('agent'))
    .description('run the pull agent, on a machine that the server does not reach, or ask the one that runs here')
    .addHelpText('after', EXIT_CODES)
    // `--config` may stand before the word for what is to be done, or after it.
    .enablePositionalOptions()
    .hook('preSubcommand', (own, command) => void command.setOptionValue('config', own.opts<AgentOptions>().config))
    .action(async ({ config: file }: AgentOptions) => {
      const { run } = await import('./run.ts');
      await run(context, file);
    });
  const commands = [addAgentConfig, addAgentStatus, addAgentSteering, addAgentResults, addAgentLeave, addAgentInstall];
  for (const add of commands) add(agent, context);
}
