import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { type Agent, agent } from '../../contract/agent.ts';
import { visible } from '../../domain/visible.ts';
import { several, wholeNumber } from '../arguments.ts';
import type { Client } from '../client.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';
import { agentCommand, findAgent } from './words.ts';

type Change = {
  labels?: string[] | undefined;
  capacity?: number | undefined;
  cordoned?: boolean;
  cordon_reason?: string | null;
  draining?: boolean;
};
type Options = ServerOptions & { reason?: string; wait?: boolean; label?: string[]; capacity?: number };

/** The commands that change an agent. Tasks that run there go on in all of them. */
export function addAgentSteering(agents: Command, context: Context): void {
  const command = (name: string, description: string, change: (options: Options) => Change) =>
    printsJson(asksServer(agentCommand(agents, name, description))).action((id: string, options: Options) =>
      steer(id, options, change(options), context),
    );
  command('cordon', 'give it nothing new, until it is let back', ({ reason }) => ({
    cordoned: true,
    cordon_reason: reason ?? null,
  })).option('--reason <text>', 'why, for whoever looks');
  command('uncordon', 'let it back, also one that was isolated', () => ({ cordoned: false }));
  command('drain', 'let it end what it has, and give it nothing new', () => ({ draining: true })).option(
    '--wait',
    'until nothing runs there any more',
  );
  command('undrain', 'let it take tasks again', () => ({ draining: false }));
  command(
    'change',
    'change what an agent that pulls is said to do; of a host the file says it',
    ({ label, capacity }) => {
      if (label === undefined && capacity === undefined) throw new CliError('say what is to be changed', EXIT.usage);
      return { labels: label, capacity };
    },
  )
    .option('--label <label>', 'what it can do, in place of what was said (several)', several)
    .option('--capacity <n>', 'tasks at a time', wholeNumber(1, 1000));
}

async function steer(name: string, options: Options, change: Change, context: Context): Promise<void> {
  const client = connect(options, context);
  const { id } = await findAgent(client, name);
  const path = `/api/v1/agents/${encodeURIComponent(id)}`;
  const changed = await client.patch(path, change, agent);
  const now = options.wait ? await untilEmpty(client, path, context) : changed;
  if (options.json) return printJson(context.terminal, now);
  context.terminal.out(`agent ${visible(now.name)} is ${standingOf(now)}\n`);
}

const LOOK_AGAIN_MS = 500;

/** Says how many are left whenever that changes. */
async function untilEmpty(client: Client, path: string, { terminal }: Context): Promise<Agent> {
  let said: number | null = null;
  for (;;) {
    const now = await client.get(path, agent);
    if (now.running === 0) return now;
    if (now.running !== said) terminal.err(`${now.running} still there\n`);
    said = now.running;
    await delay(LOOK_AGAIN_MS);
  }
}

const standingOf = ({ state, draining, running, capacity }: Agent): string =>
  `${state}${draining ? ', draining' : ''}, ${running} of ${capacity} places taken`;
