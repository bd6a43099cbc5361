import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Context } from './connect.ts';

const EXAMPLES = `
Examples:
  taskejo demo                                     see the main job in a minute, nothing needed
  taskejo serve                                    the server, on an embedded database in ./data
  export TASKEJO_TOKEN=$(cat data/admin-token)     what the commands below prove themselves with
  taskejo task create --title Hello -- echo hello
  taskejo task list
  taskejo task log --follow ID

Commands that ask a server read TASKEJO_URL and TASKEJO_TOKEN, else what login kept. Exit codes: 0 done, 1 refused or
failed, 2 the command line or the configuration is wrong, 3 a task that was waited for did not complete.`;

type Add = (program: Command, context: Context) => void;

/** In the order in which help tells them. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  serve: async () => (await import('./serve.ts')).addServe,
  agent: async () => (await import('./agent/agent.ts')).addAgent,
  demo: async () => (await import('./demo.ts')).addDemo,
  config: async () => (await import('./config-check.ts')).addConfig,
  migrate: async () => (await import('./migrate.ts')).addMigrate,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
  restored: async () => (await import('./restored.ts')).addRestored,
  task: async () => (await import('./task/task.ts')).addTasks,
  agents: async () => (await import('./agents/agents.ts')).addAgents,
  hosts: async () => (await import('./hosts/hosts.ts')).addHosts,
  deliveries: async () => (await import('./deliveries.ts')).addDeliveries,
  token: async () => (await import('./tokens.ts')).addTokens,
  login: async () => (await import('./login.ts')).addLogin,
};

/** The command line: of the command that is called what it needs, and all of it where none is, for help. */
export async function createProgram(context: Context, called?: string): Promise<Command> {
  const program = new Command('taskejo')
    .description('dispatch service for Forgejo: work started from issues, comments and pull requests')
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'print this')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(add --help for what may be said here)')
    .configureOutput({ writeOut: context.terminal.out, writeErr: context.terminal.err })
    .exitOverride();
  const one = called !== undefined && Object.hasOwn(COMMANDS, called) ? COMMANDS[called] : undefined;
  const all = one === undefined ? Object.values(COMMANDS) : [one];
  for (const load of all) (await load())(program, context);
  return program;
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
