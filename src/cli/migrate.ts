import type { Command } from 'commander';
import type { Context } from './connect.ts';
import { openAddress, unreachable } from './database.ts';

type Options = { config?: string; dataDir?: string };

export function addMigrate(program: Command, context: Context): void {
  program
    .command('migrate')
    .description('bring the database to the tables of this program, as every start does')
    .option('--config <file>', 'the configuration file (TASKEJO_CONFIG, else taskejo.yaml)')
    .option('--data-dir <folder>', 'holds the embedded database')
    .action((options: Options) => runMigrations(options, context));
}

async function runMigrations({ config: file, dataDir }: Options, { env, terminal }: Context): Promise<void> {
  const { loadConfig } = await import('../config.ts');
  const { migrate } = await import('../store/migrate.ts');
  const config = await loadConfig({ file, env, flags: { dataDir } });
  const database = await openAddress(config);
  try {
    const { applied, version } = await migrate(database.address).catch(unreachable);
    for (const name of applied) terminal.out(`applied ${name}\n`);
    terminal.out(`the database is at version ${version}\n`);
  } finally {
    await database.close();
  }
}
