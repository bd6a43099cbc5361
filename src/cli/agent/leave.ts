import type { Command } from 'commander';
import { type Left, left } from '../../contract/local-api.ts';
import { type Context, printJson, printsJson } from '../connect.ts';
import { AgentAwayError, type AgentOptions, asksAgent, connectToAgent } from './client.ts';

type Options = AgentOptions & { force?: boolean };

export function addAgentLeave(agent: Command, context: Context): void {
  const description = 'leave the server: it forgets this agent, whose next start registers anew; a running agent stops';
  printsJson(asksAgent(agent.command('leave').description(description)))
    .option('--force', 'also while something runs here: it is stopped first')
    .action((options: Options) => leave(options, context));
}

async function leave(options: Options, context: Context): Promise<void> {
  const force = options.force === true;
  const done = await leaveRunning(options, force, context).catch(async (error: unknown) => {
    if (!(error instanceof AgentAwayError)) throw error;
    const { leaveStopped } = await import('../../agent.ts');
    return leaveStopped({ file: options.config, env: context.env, force });
  });
  if (options.json) return printJson(context.terminal, done);
  const stopped = ['', ', 1 attempt was stopped'][done.stopped] ?? `, ${done.stopped} attempts were stopped`;
  context.terminal.out(`this machine has left the server${stopped}\n`);
}

const leaveRunning = async (options: Options, force: boolean, context: Context): Promise<Left> =>
  (await connectToAgent(options, context)).post(`/api/v1/leave${force ? '?force=1' : ''}`, left);
