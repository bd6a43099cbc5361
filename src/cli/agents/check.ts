import type { Command } from 'commander';
import type { Check } from '../../executor/preflight.ts';
import { type Context, printJson, printsJson } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';

type Options = { config?: string; json?: boolean };

export function addAgentsCheck(agents: Command, context: Context): void {
  const command = agents
    .command('check')
    .description('look from this machine whether hosts of the configuration can run tasks')
    .argument('[host...]', 'ids of hosts; all unless said')
    .option('--config <file>', 'the configuration file (TASKEJO_CONFIG, else taskejo.yaml)');
  printsJson(command)
    .addHelpText(
      'after',
      '\nExit codes: 0 all can (there may be warnings), 1 one can not, 2 the configuration or a name is wrong.',
    )
    .action((ids: string[], options: Options) => checkHosts(ids, options, context));
}

async function checkHosts(ids: readonly string[], options: Options, { env, terminal }: Context): Promise<void> {
  const { loadConfig } = await import('../../config.ts');
  const { checkHost, paintCheck } = await import('../hosts/check.ts');
  const config = await loadConfig({ file: options.config, env });
  const known = config.hosts.map(({ id }) => id);
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown !== undefined) throw new CliError(`there is no host ${unknown} in the configuration`, EXIT.usage);
  const wanted = ids.length === 0 ? known : ids;
  if (wanted.length === 0) throw new CliError('there are no hosts in the configuration', EXIT.usage);
  const found: { id: string; ok: boolean; checks: Check[] }[] = [];
  for (const id of wanted) {
    if (!options.json) terminal.out(`${terminal.style('bold', id)}\n`);
    const checks = await checkHost(config, id, (check) => {
      if (!options.json) terminal.out(paintCheck(terminal, check));
    });
    found.push({ id, ok: checks.every(({ status }) => status !== 'failed'), checks });
  }
  if (options.json) printJson(terminal, { hosts: found });
  const bad = found.filter(({ ok }) => !ok).map(({ id }) => id);
  if (bad.length > 0) throw new CliError(`no tasks can run on ${bad.join(', ')}`, EXIT.failed);
}
