import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type Client, createClient } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { readLogin, type StoredLogin } from './stored-login.ts';
import type { Terminal } from './terminal.ts';

/** What a command is given besides its arguments. */
export type Context = {
  terminal: Terminal;
  env: Readonly<Record<string, string | undefined>>;
  /** Standard input, whole. */
  readInput(): Promise<Uint8Array>;
  /** The next line of it; null: there is none. On a screen a hidden one is not shown while it is written. */
  readLine(how?: { hidden: boolean }): Promise<string | null>;
};

export type ServerOptions = { url?: string; tokenFile?: string; json?: boolean };

const DEFAULT_URL = 'http://127.0.0.1:7070';

/** The options of every command that asks the server. */
export function asksServer(command: Command): Command {
  return command
    .option('--url <url>', `address of the server (TASKEJO_URL, else as kept by login, else ${DEFAULT_URL})`)
    .option('--token-file <path>', 'file that holds the token (else TASKEJO_TOKEN, else as kept by login)');
}

export const printsJson = (command: Command): Command => command.option('--json', 'print the answer as JSON');

/** Where commands ask: as said, else by the environment, else as kept by `login`. @throws {CliError} if it can't be one */
export function serverAddress(said: string | undefined, env: Context['env'], login: StoredLogin | null): string {
  const address = (said ?? (env.TASKEJO_URL || login?.url || DEFAULT_URL)).replace(/\/+$/, '');
  if (/^https?:$/.test(URL.parse(address)?.protocol ?? '')) return address;
  throw new CliError(`${address} is not the address of a server: it begins with http:// or https://`, EXIT.usage);
}

/** Null: nobody said one. What `login` kept is for the server that it was kept for, and for no other. */
function tokenFor(
  address: string,
  tokenFile: string | undefined,
  env: Context['env'],
  login: StoredLogin | null,
): string | null {
  const kept = login?.url === address ? login.token : '';
  const token = (tokenFile === undefined ? env.TASKEJO_TOKEN || kept : readToken(tokenFile)).trim();
  if (token === '') return null;
  if (!/^[\x21-\x7e]+$/.test(token)) throw new CliError('the token holds characters that no token has', EXIT.usage);
  return token;
}

/** Null where nobody said a token. @throws {CliError} when the address or the token can't be one */
export function connectIfKnown({ url, tokenFile }: ServerOptions, { env }: Context): Client | null {
  const login = readLogin(env);
  const address = serverAddress(url, env, login);
  const token = tokenFor(address, tokenFile, env, login);
  return token === null ? null : createClient({ url: address, token });
}

/** @throws {CliError} when there is no token too */
export function connect(options: ServerOptions, context: Context): Client {
  const client = connectIfKnown(options, context);
  if (client !== null) return client;
  throw new CliError(
    'no token: set TASKEJO_TOKEN, name a file with --token-file (the first one is in DATA_DIR/admin-token), or see taskejo login',
    EXIT.usage,
  );
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`cannot read the token: ${(error as Error).message}`, EXIT.usage);
  }
}

export const printJson = (terminal: Terminal, value: unknown): void =>
  terminal.out(`${JSON.stringify(value, null, 2)}\n`);
