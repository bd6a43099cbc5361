import type { Command } from 'commander';
import { type LocalTask, localTasks, queueStatus, type SystemInfo, systemInfo } from '../../contract/local-api.ts';
import { visible } from '../../domain/visible.ts';
import { ago } from '../ages.ts';
import { type Context, printJson, printsJson } from '../connect.ts';
import { type Column, table } from '../table.ts';
import { type AgentOptions, asksAgent, connectToAgent } from './client.ts';

export function addAgentStatus(agent: Command, context: Context): void {
  printsJson(asksAgent(agent.command('status').description('what the agent of this machine works on'))).action(
    (options: AgentOptions) => showStatus(options, context),
  );
  printsJson(asksAgent(agent.command('info').description('who it is, what it may do, how the machine does'))).action(
    (options: AgentOptions) => showInfo(options, context),
  );
}

async function showStatus(options: AgentOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const client = await connectToAgent(options, context);
  const queue = await client.get('/api/v1/queue/status', queueStatus);
  const { items } = await client.get('/api/v1/tasks', localTasks);
  if (options.json) return printJson(terminal, { ...queue, items });
  const draining = queue.draining ? `, takes nothing new (${visible(queue.draining_reason ?? '')})` : '';
  terminal.out(`${queue.running} of ${queue.places} places taken${draining}\n`);
  if (items.length > 0) terminal.out(table(COLUMNS, items, terminal.width));
}

const COLUMNS: Column<LocalTask>[] = [
  { title: 'ATTEMPT', cell: (one) => one.attempt_id },
  { title: 'TASK', cell: (one) => one.task_id },
  { title: 'PID', cell: (one) => String(one.pid ?? '-'), right: true },
  { title: 'AGE', cell: (one) => (one.started_at === null ? '-' : ago(one.started_at)), right: true },
  { title: 'STATUS', cell: (one) => one.status },
];

async function showInfo(options: AgentOptions, context: Context): Promise<void> {
  const client = await connectToAgent(options, context);
  const info = await client.get('/api/v1/system/info', systemInfo);
  if (options.json) return printJson(context.terminal, info);
  const lines = linesOf(info).map(([name, said]) => `${`${name}:`.padEnd(14)}${visible(said)}\n`);
  context.terminal.out(lines.join(''));
}

const GIB = 1024 ** 3;
const some = (words: readonly string[], otherwise: string) => (words.length === 0 ? otherwise : words.join(', '));

function linesOf({ server, machine, metrics, policy, ...info }: SystemInfo): [string, string][] {
  const share = (used: number | null | undefined, total: number | null | undefined) =>
    used == null || total == null ? 'unknown' : `${(used / GIB).toFixed(1)} of ${(total / GIB).toFixed(1)} GiB`;
  return [
    ['agent', `${info.name} (${info.agent_id ?? 'no id yet'}), version ${info.version}, pid ${info.pid}`],
    ['server', `${server.url}, ${server.online ? 'online' : 'does not answer'}`],
    ['since', info.started_at],
    ['labels', some(info.labels, 'none')],
    ['places', String(info.capacity)],
    ['machine', `${machine.name}, ${machine.system} ${machine.architecture}, ${machine.processors} processors`],
    ['processors', metrics.cpu_percent == null ? 'unknown' : `${metrics.cpu_percent} % busy, load ${metrics.load_1m}`],
    ['memory', `${share(metrics.memory_used_bytes, metrics.memory_total_bytes)} used`],
    ['disk', `${share(metrics.disk_free_bytes, metrics.disk_total_bytes)} free in ${info.work_dir}`],
    ...(metrics.gpus ?? []).map((gpu): [string, string] => [
      `gpu ${gpu.index}`,
      `${gpu.name}, ${gpu.utilization_percent ?? '?'} % busy, ${share(gpu.memory_used_bytes, gpu.memory_total_bytes)} used`,
    ]),
    ['limits', some(info.limits, 'none can be kept')],
    ['sandboxes', `${some(info.sandboxes, 'none to be had')}; every command at least in: ${info.sandbox}`],
    ['may run', some(policy.allowed_commands, 'every command')],
    ['may not run', some(policy.denied_patterns, 'nothing is denied by a pattern')],
    ['state', info.state_dir],
  ];
}
