import { existsSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { type Config, loadConfig } from '../../config.ts';
import { visible } from '../../domain/visible.ts';
import { withItem } from '../../yaml-file/edit.ts';
import { type Context, printJson, type ServerOptions } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';
import { type Check, checkHost, paintCheck, readHostKey } from './check.ts';
import { changeFile, configFile, type FileOptions, tellServer } from './file.ts';
import { runFirstTask } from './first-task.ts';

export type AddOptions = FileOptions &
  ServerOptions & {
    id?: string;
    privateKey?: string;
    passphraseEnv?: string;
    sshAgent?: boolean;
    jump?: string;
    label?: string[];
    capacity?: number;
    hostKey?: string;
    run: boolean;
  };

type Target = { user: string; address: string; port: number };

/** Shows the host's key and asks, looks whether tasks can run there, writes the file, tells the server, runs a task. */
export async function addHost(text: string, options: AddOptions, context: Context): Promise<void> {
  const { terminal } = context;
  const target = readTarget(text);
  if ((options.privateKey === undefined) === (options.sshAgent === undefined))
    throw new CliError('say what signs in: --private-key FILE or --ssh-agent', EXIT.usage);
  const file = configFile(options.config, context);
  const id = options.id ?? idOf(target.address);
  const before = await loadExisting(file, options, context);
  if (before?.hosts.some((host) => host.id === id)) throw new CliError(`there is a host ${id} already`, EXIT.usage);
  const hostKey = await trustedKey(before, target, options, context);
  const entry = entryOf(id, target, hostKey, file, options);
  const checks: Check[] = [];
  let dataDir = '';
  await changeFile(file, {
    change: (found) => withItem(found, 'hosts', entry),
    check: async (draft) => {
      const config = await loadConfig({ file: draft, env: context.env, flags: { dataDir: options.dataDir } });
      dataDir = config.dataDir;
      checks.push(...(await checkHost(config, id, (check) => terminal.err(paintCheck(terminal, check)))));
      if (checks.some(({ status }) => status === 'failed'))
        throw new CliError(`no tasks can run on ${id}; ${file} is as it was`);
    },
  });
  terminal.err(`${id} stands in ${file}\n`);
  const told = tellServer(dataDir);
  if (!told) terminal.err('no server was found on this machine: the host is there when the server starts again\n');
  const ofServer = [options.passphraseEnv, options.sshAgent && 'SSH_AUTH_SOCK'].filter((name) => name !== undefined);
  for (const name of told ? ofServer : [])
    terminal.err(`the server reads ${name} from its own environment, as it was when it was started\n`);
  const task = told && options.run ? await runFirstTask(id, options, context) : null;
  if (options.json) printJson(terminal, { id, host_key: hostKey, checks, told, task });
  else terminal.out(`${id}\n`);
  if (task !== null && task.status !== 'completed')
    throw new CliError(visible(`its first task is ${task.status}: ${task.result?.error ?? 'it does not say why'}`));
}

function readTarget(text: string): Target {
  const [, user = '', bracketed, plain, port = '22'] =
    /^([^@\s]+)@(?:\[([^\]\s]+)\]|([^:\s]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain;
  if (address === undefined) throw new CliError(`${text} is not user@address`, EXIT.usage);
  return { user, address, port: Number(port) };
}

const idOf = (address: string): string =>
  /^[\d.]+$|:/.test(address) ? address.replaceAll(/[:%]+/g, '-') : (address.split('.')[0] ?? address);

/** Null: there is no file yet. */
async function loadExisting(file: string, { dataDir }: AddOptions, { env }: Context): Promise<Config | null> {
  return existsSync(file) ? loadConfig({ file, env, flags: { dataDir } }) : null;
}

/** The fingerprint that somebody vouches for: by having said it beforehand, or by saying yes to the one shown. */
async function trustedKey(
  config: Config | null,
  target: Target,
  { hostKey, jump }: AddOptions,
  { terminal, readLine }: Context,
): Promise<string> {
  const shown = await readHostKey(config, target, jump ?? null);
  if (hostKey !== undefined) {
    if (hostKey === shown.fingerprint) return hostKey;
    throw new CliError(`${target.address} shows ${shown.type} ${shown.fingerprint}, not ${hostKey}`);
  }
  terminal.err(`${target.address} shows the key ${shown.type} ${shown.fingerprint}\n`);
  terminal.err('Does the host say the same (ssh-keygen -lf /etc/ssh/ssh_host_…_key.pub)? yes or no: ');
  const answer = (await readLine())?.trim().toLowerCase();
  if (answer !== 'yes' && answer !== 'y') throw new CliError('the key was not confirmed; nothing was written');
  return shown.fingerprint;
}

/** As it stands in the file. Paths there are relative to it. */
function entryOf(id: string, { user, address, port }: Target, hostKey: string, file: string, options: AddOptions) {
  const { privateKey, passphraseEnv, sshAgent, jump, label, capacity } = options;
  return {
    id,
    address,
    ...(port === 22 ? {} : { port }),
    user,
    ...(privateKey === undefined ? {} : { private_key: { file: fromFile(file, privateKey) } }),
    ...(passphraseEnv === undefined ? {} : { passphrase: { env: passphraseEnv } }),
    ...(sshAgent === undefined ? {} : { ssh_agent: { env: 'SSH_AUTH_SOCK' } }),
    host_key: hostKey,
    ...(jump === undefined ? {} : { jump }),
    ...(label === undefined ? {} : { labels: label }),
    ...(capacity === undefined ? {} : { capacity }),
  };
}

function fromFile(file: string, path: string): string {
  const near = relative(dirname(resolve(file)), resolve(path));
  return near.startsWith('..') ? resolve(path) : near;
}
