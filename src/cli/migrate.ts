import type { Command } from 'commander';
import type { DatabaseAddress } from '../store/address.ts';
import type { Context } from './connect.ts';
import { CliError, EXIT } from './errors.ts';

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

/** What a database that isn't there says; its own words where it has any. */
function unreachable(error: unknown): never {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
  if (code === null) throw error;
  throw new CliError(`the database cannot be reached: ${(error as Error).message || code}`, EXIT.failed, {
    cause: error,
  });
}

async function openAddress(config: {
  databaseUrl: string | null;
  dataDir: string;
}): Promise<{ address: DatabaseAddress; close: () => Promise<void> }> {
  if (config.databaseUrl !== null) {
    return { address: { connectionString: config.databaseUrl }, close: async () => {} };
  }
  const { startEmbedded } = await import('../store/embedded/start-embedded.ts');
  const embedded = await startEmbedded({ dataDir: config.dataDir });
  return { address: embedded, close: embedded.stop };
}
