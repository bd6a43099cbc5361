import type { Command } from 'commander';
import type { Context } from './connect.ts';

type Options = { config?: string };

export function addAgent(program: Command, { env, terminal }: Context): void {
  program
    .command('agent')
    .description('run the pull agent, on a machine that the server does not reach')
    .option('--config <file>', 'its configuration file (else ./agent.yaml, else /etc/taskejo/agent.yaml)')
    .action(async ({ config: file }: Options) => {
      terminal.outliveReaders();
      const { runAgent } = await import('../agent.ts');
      const out = (line: string) => terminal.out(`${line}\n`);
      const err = (line: string) => terminal.err(`${line}\n`);
      process.exitCode = await runAgent({ file, env, out, err });
    });
}
