import type { Command } from 'commander';
import { type Agent, agentList } from '../../contract/agent.ts';
import { visible } from '../../domain/visible.ts';
import { ago } from '../ages.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from '../connect.ts';
import { CliError } from '../errors.ts';
import { facts } from '../facts.ts';
import { readPages } from '../pages.ts';
import { type Column, table } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { addAgentsCheck } from './check.ts';
import { addAgentSteering } from './steer.ts';
import { agentCommand, findAgent, paintState } from './words.ts';

const MOST = 10_000;

export function addAgents(program: Command, context: Context): void {
  const agents = program.command('agents').description('see and steer who does tasks: agents that pull, and hosts');
  printsJson(asksServer(agents.command('list').description('list agents and hosts, by name'))).action(
    (options: ServerOptions) => listAgents(options, context),
  );
  printsJson(asksServer(agentCommand(agents, 'show', 'show one agent or host'))).action(
    (name: string, options: ServerOptions) => showAgent(name, options, context),
  );
  addAgentSteering(agents, context);
  addAgentsCheck(agents, context);
  asksServer(agentCommand(agents, 'delete', 'delete an agent that pulls; its credential ends at once')).action(
    (name: string, options: ServerOptions) => deleteAgent(name, options, context),
  );
}

async function listAgents(options: ServerOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const page = await readPages(connect(options, context), '/api/v1/agents', agentList, {}, MOST);
  if (options.json) return printJson(terminal, page);
  if (page.items.length === 0) return terminal.err('no agents\n');
  terminal.out(table(columns(terminal), page.items, terminal.width));
}

const columns = (terminal: Terminal): Column<Agent>[] => [
  { title: 'ID', cell: (agent) => agent.id },
  { title: 'NAME', cell: (agent) => agent.name },
  { title: 'MODE', cell: (agent) => agent.execution_mode },
  { title: 'STATE', cell: (agent) => agent.state, paint: (text, agent) => paintState(terminal, text, agent) },
  { title: 'TAKEN', cell: (agent) => `${agent.running}/${agent.capacity}`, right: true },
  { title: 'SEEN', cell: (agent) => seen(agent), right: true },
  { title: 'LABELS', cell: (agent) => agent.labels.join(',') || '-' },
  { title: 'WHY', cell: (agent) => why(agent) },
];

const seen = ({ last_seen_at: at }: Agent): string => (at === null ? 'never' : ago(at));

/** What keeps it from taking tasks, as far as somebody said it. */
function why({ draining, cordon_reason: cordoned, state_reason: state }: Agent): string {
  const said = [draining ? 'draining' : null, state?.message ?? cordoned];
  return said.filter((one) => one !== null).join('; ');
}

async function showAgent(name: string, options: ServerOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const agent = await findAgent(connect(options, context), name);
  if (options.json) return printJson(terminal, agent);
  terminal.out(`${terminal.style('bold', visible(agent.name))}\n`);
  terminal.out(facts(factsOf(agent)));
}

const factsOf = (agent: Agent): [string, string | null][] => [
  ['id', agent.id],
  ['mode', agent.execution_mode],
  ['state', agent.online || agent.state !== 'cordoned' ? agent.state : 'cordoned, offline'],
  ['draining', agent.draining ? 'yes: it takes nothing new' : null],
  ['cordoned', agent.state === 'cordoned' ? (agent.cordon_reason ?? 'no reason given') : null],
  ['why', agent.state_reason && `${agent.state_reason.message} (${agent.state_reason.code})`],
  ['since', agent.state_reason && `${agent.state_reason.since}, ${ago(agent.state_reason.since)} ago`],
  ['places', `${agent.running} of ${agent.capacity} taken`],
  ['labels', agent.labels.join(', ') || 'none'],
  ['last seen', agent.last_seen_at === null ? 'never' : `${ago(agent.last_seen_at)} ago`],
  ['version', agent.version],
  ['metrics', agent.metrics && JSON.stringify(agent.metrics)],
  ['made', `${ago(agent.created_at)} ago`],
];

async function deleteAgent(name: string, options: ServerOptions, context: Context): Promise<void> {
  const client = connect(options, context);
  const agent = await findAgent(client, name);
  if (agent.execution_mode === 'ssh_cli') {
    throw new CliError(`${agent.id} is a host of the configuration: taskejo hosts remove ${agent.id} takes it out`);
  }
  await client.remove(`/api/v1/agents/${encodeURIComponent(agent.id)}`);
  context.terminal.out(`agent ${visible(agent.name)} is deleted\n`);
}
