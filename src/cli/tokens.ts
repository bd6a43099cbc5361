import { type Command, Option } from 'commander';
import { createdToken, scope, type Token, tokenList } from '../contract/token.ts';
import { visible } from '../domain/visible.ts';
import { ago } from './ages.ts';
import { inPath, wholeNumber } from './arguments.ts';
import { asksServer, type Context, connect, printJson, printsJson, type ServerOptions } from './connect.ts';
import { readPages } from './pages.ts';
import { type Column, table } from './table.ts';

const MOST = 10_000;

export function addTokens(program: Command, context: Context): void {
  const token = program.command('token').description('make, list and revoke tokens (needs an admin token)');
  printsJson(asksServer(token.command('create').description('make a token; it is printed once and never again')))
    .argument('<name>', 'what it is for')
    .addOption(new Option('--scope <scope>', 'what it may do').choices(scope.options).makeOptionMandatory())
    .option('--agent-name <name>', 'the pull agent that it is for; with --scope agent')
    .option('--expires-in <seconds>', 'how long it is valid; for ever unless said', wholeNumber(1, 315_360_000))
    .option('--repository <forge:owner/name...>', 'only for tasks of these; * for a whole part')
    .option('--label <label...>', 'only for tasks that require one of these')
    .action((name: string, options: CreateOptions) => createToken(name, options, context));
  printsJson(asksServer(token.command('list').description('list tokens, without the secrets'))).action(
    (options: ServerOptions) => listTokens(options, context),
  );
  asksServer(token.command('revoke').description('end a token at once').argument('<id>', 'id of the token')).action(
    (id: string, options: ServerOptions) => revokeToken(id, options, context),
  );
}

type CreateOptions = ServerOptions & {
  scope: string;
  agentName?: string;
  expiresIn?: number;
  repository?: string[];
  label?: string[];
};

async function createToken(name: string, options: CreateOptions, context: Context): Promise<void> {
  const body = {
    name,
    scope: options.scope,
    agent_name: options.agentName,
    expires_in_seconds: options.expiresIn,
    repositories: options.repository,
    labels: options.label,
  };
  const made = await connect(options, context).post('/api/v1/tokens', body, createdToken);
  if (options.json) return printJson(context.terminal, made);
  context.terminal.out(`${visible(made.token)}\n`);
  const agent = made.agent_id === null ? '' : ` of agent ${visible(made.agent_id)}`;
  context.terminal.err(`token ${made.id}${agent}, scope ${made.scope}; it is not shown again\n`);
}

async function listTokens(options: ServerOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const page = await readPages(connect(options, context), '/api/v1/tokens', tokenList, {}, MOST);
  if (options.json) return printJson(terminal, page);
  terminal.out(table(COLUMNS, page.items, terminal.width));
}

const COLUMNS: Column<Token>[] = [
  { title: 'ID', cell: (token) => token.id },
  { title: 'SCOPE', cell: (token) => token.scope },
  { title: 'AGENT', cell: (token) => token.agent_id ?? '-' },
  { title: 'AGE', cell: (token) => ago(token.created_at), right: true },
  { title: 'LAST USED', cell: (token) => (token.last_used_at === null ? 'never' : `${ago(token.last_used_at)} ago`) },
  { title: 'EXPIRES', cell: (token) => token.expires_at ?? 'never' },
  { title: 'ONLY FOR', cell: (token) => [...(token.repositories ?? []), ...(token.labels ?? [])].join(' ') || '-' },
  { title: 'NAME', cell: (token) => token.name },
];

async function revokeToken(id: string, options: ServerOptions, context: Context): Promise<void> {
  await connect(options, context).remove(`/api/v1/tokens/${inPath(id)}`);
  context.terminal.out(`token ${visible(id)} is revoked\n`);
}
