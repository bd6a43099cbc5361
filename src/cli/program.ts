import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addAgent } from './agent/agent.ts';
import { addAgents } from './agents/agents.ts';
import { addConfig } from './config-check.ts';
import type { Context } from './connect.ts';
import { addDeliveries } from './deliveries.ts';
import { addDemo } from './demo.ts';
import { addDoctor } from './doctor.ts';
import { addHosts } from './hosts/hosts.ts';
import { addLogin } from './login.ts';
import { addMigrate } from './migrate.ts';
import { addRestored } from './restored.ts';
import { addServe } from './serve.ts';
import { addTaskApprove } from './task/approve.ts';
import { addTaskAssign } from './task/assign.ts';
import { addTaskCancel } from './task/cancel.ts';
import { addTaskCreate } from './task/create.ts';
import { addTaskExplain } from './task/explain.ts';
import { addTaskList } from './task/list.ts';
import { addTaskLog } from './task/log.ts';
import { addTaskPatch } from './task/patch.ts';
import { addTaskRetry } from './task/retry.ts';
import { addTaskShow } from './task/show.ts';
import { addTaskUnassign } from './task/unassign.ts';
import { addTaskWait } from './task/wait.ts';
import { addTokens } from './tokens.ts';

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

/** The command line, whole. What a command needs beyond asking the server is loaded when it is called. */
export function createProgram(context: Context): Command {
  const program = new Command('taskejo')
    .description('dispatch service for Forgejo: work started from issues, comments and pull requests')
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'print this')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(add --help for what may be said here)')
    .configureOutput({ writeOut: context.terminal.out, writeErr: context.terminal.err })
    .exitOverride();
  addServe(program, context);
  addAgent(program, context);
  addDemo(program);
  addConfig(program, context);
  addMigrate(program, context);
  addDoctor(program, context);
  addRestored(program, context);
  addTasks(program, context);
  addAgents(program, context);
  addHosts(program, context);
  addDeliveries(program, context);
  addTokens(program, context);
  addLogin(program, context);
  return program;
}

const TASK_COMMANDS = [
  addTaskList,
  addTaskShow,
  addTaskExplain,
  addTaskLog,
  addTaskCreate,
  addTaskPatch,
  addTaskAssign,
  addTaskUnassign,
  addTaskApprove,
  addTaskCancel,
  addTaskRetry,
  addTaskWait,
];

function addTasks(program: Command, context: Context): void {
  const task = program.command('task').description('create, watch and steer tasks');
  for (const add of TASK_COMMANDS) add(task, context);
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
