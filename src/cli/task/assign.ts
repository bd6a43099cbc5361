import type { Command } from 'commander';
import { task } from '../../contract/task.ts';
import { visible } from '../../domain/visible.ts';
import { agentIdOf } from '../agents/words.ts';
import { inPath } from '../arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { modeOption, taskCommand } from './words.ts';

type Options = ServerOptions & { mode?: string };

export function addTaskAssign(parent: Command, context: Context): void {
  printsJson(asksServer(taskCommand(parent, 'assign', 'name the agent or host that is to do a pending task')))
    .argument('<agent>', 'id or name of the agent or host')
    .addOption(modeOption('refuse, unless the agent is of this kind'))
    .action((id: string, agent: string, options: Options) => assignTask(id, agent, options, context));
}

async function assignTask(id: string, agent: string, options: Options, context: Context): Promise<void> {
  const client = connect(options, context);
  const body = { agent_id: await agentIdOf(client, agent), execution_mode: options.mode };
  const named = await client.post(`/api/v1/tasks/${inPath(id)}/assign`, body, task);
  if (options.json) return printJson(context.terminal, named);
  context.terminal.out(`task ${named.id} waits for ${visible(agent)} (${named.execution_mode})\n`);
}
