import type { Command } from 'commander';
import type { TakenOver } from '../usecases/upkeep/take-over-restored.ts';
import { type Context, printJson, printsJson } from './connect.ts';
import { openAddress, unreachable } from './database.ts';
import { CliError } from './errors.ts';

type Options = { config?: string; dataDir?: string; yes?: boolean; json?: boolean };

/** Of tasks that wait each is changed, in one transaction. */
const STATEMENT_SECONDS = 300;

export function addRestored(program: Command, context: Context): void {
  const command = program
    .command('restored')
    .description('take over a database that was put back from a backup, and that is older than what has happened since')
    .option('--config <file>', 'the configuration file (TASKEJO_CONFIG, else taskejo.yaml)')
    .option('--data-dir <folder>', 'holds the embedded database')
    .option('--yes', 'do not ask');
  printsJson(command)
    .addHelpText(
      'after',
      '\nNo server may run meanwhile. Open attempts end as lost, every task that has not ended waits for approval.',
    )
    .action((options: Options) => restored(options, context));
}

async function restored(options: Options, context: Context): Promise<void> {
  const { terminal, readLine } = context;
  if (!options.yes) {
    terminal.err(
      'Open attempts will end as lost, and all tasks that have not ended will wait for approval. yes or no: ',
    );
    if ((await readLine())?.trim().toLowerCase() !== 'yes') throw new CliError('nothing was changed');
  }
  const done = await takeOver(options, context);
  const { generation, lost, waiting } = done;
  if (options.json) return printJson(terminal, done);
  terminal.out(`this is generation ${generation} of the database\n`);
  terminal.out(`${lost} open attempts ended as lost; ${waiting} tasks wait for \`taskejo task approve\`\n`);
}

async function takeOver({ config: file, dataDir }: Options, { env }: Context): Promise<TakenOver> {
  const { loadConfig } = await import('../config.ts');
  const { migrate } = await import('../store/migrate.ts');
  const { openDatabase } = await import('../store/pool.ts');
  const { takeOverRestored } = await import('../usecases/upkeep/take-over-restored.ts');
  const settings = await loadConfig({ file, env, flags: { dataDir } });
  const place = await openAddress(settings);
  try {
    await migrate(place.address).catch(unreachable);
    const { db, close } = openDatabase({ ...place.address, max: 1, statementTimeoutSeconds: STATEMENT_SECONDS });
    const deps = { db, settings, random: Math.random };
    return await takeOverRestored(deps, { kind: 'coordinator', id: 'taskejo restored' }).finally(close);
  } finally {
    await place.close();
  }
}
