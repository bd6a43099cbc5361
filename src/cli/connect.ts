import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type Client, createClient } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import type { Terminal } from './terminal.ts';

/** What a command is given besides its arguments. */
export type Context = {
  terminal: Terminal;
  env: Readonly<Record<string, string | undefined>>;
  /** Standard input, whole. */
  readInput(): Promise<Uint8Array>;
  /** The next line of it; null: there is none. */
  readLine(): Promise<string | null>;
};

export type ServerOptions = { url?: string; tokenFile?: string; json?: boolean };

const DEFAULT_URL = 'http://127.0.0.1:7070';

/** The options of every command that asks the server. */
export function asksServer(command: Command): Command {
  return command
    .option('--url <url>', `address of the server (TASKEJO_URL, else ${DEFAULT_URL})`)
    .option('--token-file <path>', 'file that holds the token (else TASKEJO_TOKEN)');
}

export const printsJson = (command: Command): Command => command.option('--json', 'print the answer as JSON');

/** @throws {CliError} when the address or the token can't be one */
export function connect({ url, tokenFile }: ServerOptions, { env }: Context): Client {
  const address = (url ?? (env.TASKEJO_URL || DEFAULT_URL)).replace(/\/+$/, '');
  if (!/^https?:$/.test(URL.parse(address)?.protocol ?? '')) {
    throw new CliError(`${address} is not the address of a server: it begins with http:// or https://`, EXIT.usage);
  }
  const token = (tokenFile === undefined ? env.TASKEJO_TOKEN : readToken(tokenFile))?.trim();
  if (token === undefined || token === '') {
    throw new CliError(
      'no token: set TASKEJO_TOKEN, or name a file with --token-file (the first one is in DATA_DIR/admin-token)',
      EXIT.usage,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(token)) throw new CliError('the token holds characters that no token has', EXIT.usage);
  return createClient({ url: address, token });
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
