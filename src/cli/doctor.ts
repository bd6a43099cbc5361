import type { Command } from 'commander';
import type { Breach } from '../domain/doctor/breach.ts';
import { visible } from '../domain/visible.ts';
import type { Examined, ExamineOptions } from '../usecases/upkeep/examine.ts';
import { type Context, printsJson } from './connect.ts';
import { openBesideServer } from './database.ts';
import { CliError, EXIT } from './errors.ts';
import type { Terminal } from './terminal.ts';

type Options = { config?: string; dataDir?: string; task?: string; json?: boolean };

/** Sweeps of a server that runs have seen by then what came due, also where much came due at once. */
const PATIENCE_SECONDS = 600;
/** A batch is read by a few statements; a log of many pieces takes its time. */
const STATEMENT_SECONDS = 300;

export function addDoctor(program: Command, context: Context): void {
  const command = program
    .command('doctor')
    .description('look for breaches of what must always hold in the database; the server may run meanwhile')
    .option('--config <file>', 'the configuration file (TASKEJO_CONFIG, else taskejo.yaml)')
    .option('--data-dir <folder>', 'holds the embedded database')
    .option('--task <id>', 'look at one task alone');
  printsJson(command)
    .addHelpText(
      'after',
      '\nExit codes: 0 nothing is wrong, 1 there are breaches, 2 the database could not be looked at.',
    )
    .action((options: Options) => doctor(options, context));
}

async function doctor(options: Options, context: Context): Promise<void> {
  const paper = options.json === true ? jsonPaper(context.terminal) : textPaper(context.terminal);
  const { tasks, breaches } = await look(options, context, paper.tell).catch(couldNotLook);
  paper.end(tasks);
  if (breaches === 0) return;
  throw new CliError(breaches === 1 ? 'there is 1 breach' : `there are ${breaches} breaches`, EXIT.failed);
}

async function look(
  { config: file, dataDir, task }: Options,
  { env }: Context,
  tell: (breach: Breach) => void,
): Promise<Examined> {
  const { loadConfig } = await import('../config.ts');
  const { openDatabase } = await import('../store/pool.ts');
  const { examine, examineOne } = await import('../usecases/upkeep/examine.ts');
  const place = await openBesideServer(await loadConfig({ file, env, flags: { dataDir } }));
  const { db, close } = openDatabase({ ...place.address, max: 1, statementTimeoutSeconds: STATEMENT_SECONDS });
  const how: ExamineOptions = { patienceSeconds: PATIENCE_SECONDS, tell };
  try {
    const examined = task === undefined ? await examine(db, how) : await examineOne(db, task, how);
    if (examined === null) throw new CliError(`there is no task ${task}`, EXIT.usage);
    return examined;
  } finally {
    await close();
    await place.close();
  }
}

/** Whatever kept it from looking is no breach. */
function couldNotLook(error: unknown): never {
  if (error instanceof CliError || !(error instanceof Error) || error.name === 'ConfigError') throw error;
  const said = error instanceof AggregateError ? (error.errors[0] as Error) : error;
  throw new CliError(`the database could not be looked at: ${said.message}`, EXIT.usage, { cause: error });
}

/** Breaches are written as they are found: there may be many. */
type Paper = { tell(breach: Breach): void; end(tasks: number): void };

function textPaper(terminal: Terminal): Paper {
  let taskId: string | null | undefined;
  let found = false;
  return {
    tell(breach) {
      if (breach.taskId !== taskId) terminal.out(breach.taskId === null ? 'the database\n' : `task ${breach.taskId}\n`);
      taskId = breach.taskId;
      found = true;
      const code = terminal.style('red', breach.code);
      terminal.out(`  ${code}: ${visible(breach.detail)}\n    ${breach.whatToDo}\n`);
    },
    end: (tasks) =>
      terminal.out(`looked at ${tasks} task${tasks === 1 ? '' : 's'}${found ? '' : ': nothing is wrong'}\n`),
  };
}

function jsonPaper(terminal: Terminal): Paper {
  let before = '{"breaches": [';
  return {
    tell({ code, taskId, detail, whatToDo }) {
      const one = { code, task_id: taskId, detail, what_to_do: whatToDo };
      terminal.out(`${before}\n  ${JSON.stringify(one)}`);
      before = ',';
    },
    end: (tasks) => terminal.out(`${before === ',' ? '\n' : before}], "tasks": ${tasks}}\n`),
  };
}
