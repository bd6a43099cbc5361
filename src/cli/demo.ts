import type { Command } from 'commander';

type Options = { keep?: boolean };

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('show the main job on this machine, with nothing configured')
    .option('--keep', 'stay up at the end, until Ctrl-C')
    .action(async ({ keep = false }: Options) => {
      const { runDemo } = await import('../demo/main.ts');
      process.exitCode = await runDemo({ keep });
    });
}
