import type { Command } from 'commander';
import type { Context } from './connect.ts';

type Options = { config?: string; listen?: string; dataDir?: string };

export function addServe(program: Command, { terminal }: Context): void {
  program
    .command('serve')
    .description('run the server')
    .option('--config <file>', 'the configuration file (TASKEJO_CONFIG, else taskejo.yaml if there is one)')
    .option('--listen <host:port>', 'where to listen; port 0 takes any free one')
    .option('--data-dir <folder>', 'holds the embedded database and the first admin token')
    .action(async (options: Options) => {
      terminal.outliveReaders();
      const { serve } = await import('../server.ts');
      process.exitCode = await serve(options);
    });
}
