import type { Command } from 'commander';
import { several, wholeNumber } from '../arguments.ts';
import { asksServer, type Context, printJson, printsJson } from '../connect.ts';
import { type Column, table } from '../table.ts';
import type { AddOptions } from './add.ts';
import type { FileOptions } from './file.ts';

/** Hosts stand in the configuration file: these commands read and write it, on the machine of the server. */
export function addHosts(program: Command, context: Context): void {
  const hosts = program
    .command('hosts')
    .description('the machines that the server drives over SSH, in its configuration file');
  const command = (name: string, description: string) =>
    printsJson(hosts.command(name).description(description)).option(
      '--config <file>',
      'the configuration file (TASKEJO_CONFIG, else taskejo.yaml)',
    );
  const changing = (name: string, description: string) =>
    command(name, description).option('--data-dir <folder>', 'of the server, which is told of the change');
  command('list', 'list them as they are configured; `agents list` tells how they are').action((options: FileOptions) =>
    listHosts(options, context),
  );
  addCommand(changing('add', 'look at a machine, and write it into the file'), context);
  changing('remove', 'take a host out of the file; what runs there goes on')
    .argument('<id>', 'id of the host')
    .action(async (id: string, options: FileOptions) => {
      const { removeHost } = await import('./remove.ts');
      await removeHost(id, options, context);
    });
}

function addCommand(command: Command, context: Context): void {
  asksServer(command)
    .argument('<user@address>', 'how ssh would be told; with :port if it is not 22')
    .option('--id <id>', 'its name; unless said, the first word of the address')
    .option('--private-key <file>', 'the key that signs in')
    .option('--passphrase-env <name>', 'the variable of the server’s environment that opens the key')
    .option('--ssh-agent', 'the ssh-agent of the server signs in (SSH_AUTH_SOCK)')
    .option('--jump <id>', 'the host through which it is reached')
    .option('--label <label>', 'what it can do (several)', several)
    .option('--capacity <n>', 'attempts at a time', wholeNumber(1, 1000))
    .option('--host-key <fingerprint>', 'SHA256:… of its key; else you are asked whether the one that it shows is it')
    .option('--no-run', 'run no task there in the end')
    .addHelpText(
      'after',
      '\nExit codes: 0 it is there, 1 it was not taken, and the file is as it was, or its first task failed, 2 usage.',
    )
    .action(async (target: string, options: AddOptions) => {
      const { addHost } = await import('./add.ts');
      await addHost(target, options, context);
    });
}

async function listHosts(options: FileOptions, { env, terminal }: Context): Promise<void> {
  const { loadConfig } = await import('../../config.ts');
  const { hosts } = await loadConfig({ file: options.config, env });
  const shown = hosts.map(({ id, address, port, user, jump, labels, capacity, hostKeys }) => ({
    id,
    address,
    port,
    user,
    jump,
    labels,
    capacity,
    ...('knownHosts' in hostKeys ? { known_hosts: hostKeys.knownHosts } : { host_keys: hostKeys }),
  }));
  if (options.json) return printJson(terminal, { items: shown });
  if (shown.length === 0) return terminal.err('no hosts\n');
  terminal.out(table(COLUMNS, shown, terminal.width));
}

type Shown = {
  id: string;
  address: string;
  port: number;
  user: string;
  jump: string | null;
  labels: readonly string[];
  capacity: number;
};
const COLUMNS: Column<Shown>[] = [
  { title: 'ID', cell: ({ id }) => id },
  { title: 'ADDRESS', cell: ({ user, address, port }) => `${user}@${address}${port === 22 ? '' : `:${port}`}` },
  { title: 'THROUGH', cell: ({ jump }) => jump ?? '-' },
  { title: 'PLACES', cell: ({ capacity }) => `${capacity}`, right: true },
  { title: 'LABELS', cell: ({ labels }) => labels.join(',') || '-' },
];
