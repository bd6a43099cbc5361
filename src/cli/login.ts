import type { Command } from 'commander';
import { z } from 'zod';
import { createClient } from './client.ts';
import { type Context, serverAddress } from './connect.ts';
import { CliError, EXIT } from './errors.ts';
import { forgetLogin, loginFile, writeLogin } from './stored-login.ts';

type Options = { url?: string; forget?: boolean };

export function addLogin(program: Command, context: Context): void {
  program
    .command('login')
    .description('keep a server’s address and a token for the commands that ask it, in a file that only you can read')
    .argument('[url]', 'address of the server (TASKEJO_URL, else this machine)')
    .option('--forget', 'remove what was kept')
    .addHelpText(
      'after',
      '\nThe token is read from standard input. TASKEJO_URL and TASKEJO_TOKEN go before what was kept.',
    )
    .action((url: string | undefined, { forget }: Options) => (forget ? leave(context) : signIn(url, context)));
}

async function signIn(url: string | undefined, context: Context): Promise<void> {
  const { terminal, env, readLine } = context;
  const address = serverAddress(url, env, null);
  terminal.err(`Token for ${address}: `);
  const token = (await readLine({ hidden: true }))?.trim();
  terminal.err('\n');
  if (!token) throw new CliError('no token was said', EXIT.usage);
  // Whoever may not even see tasks has nothing to keep.
  await createClient({ url: address, token }).get('/api/v1/tasks', z.unknown(), { limit: 1 });
  writeLogin(env, { url: address, token });
  terminal.out(`signed in to ${address}; kept in ${loginFile(env)}\n`);
}

function leave({ terminal, env }: Context): void {
  forgetLogin(env);
  terminal.out('nothing is kept any more; the token itself is valid until it is revoked\n');
}
