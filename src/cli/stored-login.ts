import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { CliError, EXIT } from './errors.ts';

/** Where commands ask unless told otherwise, and what proves that they may. */
export type StoredLogin = { url: string; token: string };
type Environment = Readonly<Record<string, string | undefined>>;

const stored = z.strictObject({ url: z.string(), token: z.string() });

export const loginFile = (env: Environment): string =>
  join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'taskejo', 'login.json');

/** Null: nobody signed in. @throws {CliError} for a file that others may read, or that isn't ours */
export function readLogin(env: Environment): StoredLogin | null {
  const file = loginFile(env);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
    if ((statSync(file).mode & 0o077) !== 0)
      throw new CliError(`${file} can be read by others: chmod 600 it`, EXIT.usage);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const read = stored.safeParse(JSON.parse(text || 'null'));
  if (read.success) return read.data;
  throw new CliError(`${file} is not what \`taskejo login\` writes: remove it and sign in again`, EXIT.usage);
}

export function writeLogin(env: Environment, login: StoredLogin): void {
  const file = loginFile(env);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(login)}\n`, { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, file);
}

export const forgetLogin = (env: Environment): void => rmSync(loginFile(env), { force: true });
