import type { Command } from 'commander';
import { type Agent, agentList } from '../../contract/agent.ts';
import { visible } from '../../domain/visible.ts';
import type { Client } from '../client.ts';
import { CliError } from '../errors.ts';
import { readPages } from '../pages.ts';
import type { Terminal } from '../terminal.ts';

const STYLES = { online: 'green', offline: 'red', cordoned: 'yellow' } as const;

export const paintState = (terminal: Terminal, text: string, { state }: Agent): string =>
  terminal.style(STYLES[state], text);

export const agentCommand = (parent: Command, name: string, description: string): Command =>
  parent.command(name).description(description).argument('<agent>', 'its id or its name');

const MOST = 10_000;

/** Nobody remembers the id of an agent that pulls, and names are unique. An id goes before a name. */
export async function findAgent(client: Client, idOrName: string): Promise<Agent> {
  const found = await lookForAgent(client, idOrName);
  if (found === undefined) throw new CliError(`there is no agent ${visible(idOrName)}`);
  return found;
}

/** The same where the server knows more: a deleted agent isn't listed, and its tasks can be asked for by its id. */
export const agentIdOf = async (client: Client, idOrName: string): Promise<string> =>
  (await lookForAgent(client, idOrName))?.id ?? idOrName;

async function lookForAgent(client: Client, idOrName: string): Promise<Agent | undefined> {
  const { items } = await readPages(client, '/api/v1/agents', agentList, {}, MOST);
  return items.find(({ id }) => id === idOrName) ?? items.find(({ name }) => name === idOrName);
}
