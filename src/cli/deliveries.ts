import type { Command } from 'commander';
import { type Delivery, decision, deliveryInFull, deliveryList } from '../contract/delivery.ts';
import { visible, visibleLines } from '../domain/visible.ts';
import { ago } from './ages.ts';
import { inPath, wholeNumber } from './arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from './connect.ts';
import { facts } from './facts.ts';
import { readPages } from './pages.ts';
import { type Column, table } from './table.ts';

type ListOptions = ServerOptions & {
  limit: number;
  decision?: string;
  repository?: string;
  task?: string;
  forgeUuid?: string;
};
type ShowOptions = ServerOptions & { body?: boolean };

export function addDeliveries(program: Command, context: Context): void {
  const deliveries = program.command('deliveries').description('see what forges sent, and what was decided on it');
  printsJson(asksServer(deliveries.command('list').description('list deliveries, newest first')))
    .option('--decision <decision>', `only these: ${decision.options.join(', ')}`)
    .option('--repository <owner/name>', 'only those of this repository')
    .option('--task <id>', 'only those that this task came of')
    .option('--forge-uuid <uuid>', 'only the one that the forge calls so')
    .option('--limit <n>', 'at most so many', wholeNumber(1, 10_000), 50)
    .action((options: ListOptions) => listDeliveries(options, context));
  printsJson(asksServer(deliveries.command('show').description('show a delivery, and what each rule said of it')))
    .argument('<id>', 'id of the delivery')
    .option('--body', 'print what was sent, and nothing else')
    .action((id: string, options: ShowOptions) => showDelivery(id, options, context));
}

async function listDeliveries(options: ListOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const query = {
    decision: options.decision,
    repository: options.repository,
    task_id: options.task,
    forge_uuid: options.forgeUuid,
  };
  const page = await readPages(connect(options, context), '/api/v1/deliveries', deliveryList, query, options.limit);
  if (options.json) return printJson(terminal, page);
  if (page.items.length === 0) return terminal.err('no deliveries\n');
  terminal.out(table(COLUMNS, page.items, terminal.width));
  if (page.next_cursor !== null) terminal.err(`there are more; --limit ${options.limit * 2} shows some of them\n`);
}

const eventOf = ({ event_type: event, action }: Delivery): string => (action === null ? event : `${event} ${action}`);

const COLUMNS: Column<Delivery>[] = [
  { title: 'ID', cell: (one) => one.id },
  { title: 'AGE', cell: (one) => ago(one.received_at), right: true },
  { title: 'FORGE', cell: (one) => one.forge },
  { title: 'REPOSITORY', cell: (one) => one.repository ?? '-' },
  { title: 'EVENT', cell: eventOf },
  { title: 'SENDER', cell: (one) => one.sender ?? '-' },
  { title: 'DECISION', cell: (one) => one.decision },
  { title: 'WHY', cell: (one) => one.reason },
];

async function showDelivery(id: string, options: ShowOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const found = await connect(options, context).get(`/api/v1/deliveries/${inPath(id)}`, deliveryInFull);
  if (options.json) return printJson(terminal, found);
  if (options.body) {
    const bytes = Buffer.from(found.body, found.body_encoding === 'base64' ? 'base64' : 'utf8');
    // A screen obeys what a file keeps as it is.
    return terminal.width === null ? terminal.outBytes(bytes) : terminal.out(visibleLines(bytes.toString('utf8')));
  }
  terminal.out(
    facts([
      ['id', found.id],
      ['from', found.forge],
      ['forge’s id', found.forge_uuid],
      ['event', eventOf(found)],
      ['repository', found.repository],
      ['sender', found.sender],
      ['received', `${found.received_at}, ${ago(found.received_at)} ago`],
      ['decision', found.decision],
      ['why', found.reason],
      ['tasks', found.task_ids.length === 0 ? null : found.task_ids.join(', ')],
      ['same as', found.duplicate_of],
    ]),
  );
  for (const { rule, matched, reason } of found.rules) {
    terminal.out(`  ${matched ? 'yes' : 'no '}  ${visible(rule)}: ${visible(reason)}\n`);
  }
}
