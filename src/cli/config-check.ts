import type { Command } from 'commander';
import type { Context } from './connect.ts';

export function addConfig(program: Command, context: Context): void {
  const config = program.command('config').description("look at the server's configuration file");
  config
    .command('check')
    .description('say all that is wrong with it, with line numbers; exit code 2 if anything is')
    .argument('[file]', 'the file (TASKEJO_CONFIG, else taskejo.yaml)')
    .action((file: string | undefined) => checkConfig(file, context));
}

async function checkConfig(file: string | undefined, { env, terminal }: Context): Promise<void> {
  const { loadConfig } = await import('../config.ts');
  const config = await loadConfig({ file, env });
  const { forges, templates, rules } = config.forgejo;
  const count = (list: readonly unknown[], one: string) => `${list.length} ${one}${list.length === 1 ? '' : 's'}`;
  const parts = [
    count(forges, 'forge'),
    count(config.hosts, 'host'),
    count(templates, 'template'),
    count(rules, 'rule'),
  ];
  terminal.out(`${config.file ?? 'no file, the defaults'}: no mistakes; ${parts.join(', ')}\n`);
}
