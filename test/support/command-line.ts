import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { environmentWith } from './programs.ts';

export const taskejoFile = fileURLToPath(new URL('../../bin/taskejo.js', import.meta.url));

export type Ended = { code: number | null; stdout: string; stderr: string };
export type RunOptions = {
  env?: Record<string, string>;
  input?: string;
  cwd?: string;
  nodeOptions?: readonly string[];
};

/** Runs the command line to its end, with nothing in its environment but PATH, HOME and what is given. */
export function taskejo(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return run(process.execPath, [...(options.nodeOptions ?? []), taskejoFile, ...args], options);
}

/** The commands of a server's administrator, all of which may begin with the same words. */
export function commandsFor({ url, adminToken }: { url: string; adminToken: string }, ...first: string[]) {
  const env = { TASKEJO_URL: url, TASKEJO_TOKEN: adminToken };
  const cli = (args: readonly string[], options: RunOptions = {}) => taskejo([...first, ...args], { env, ...options });
  return {
    env,
    cli,
    /** What it prints, where it does what it is told and has nothing else to say. */
    async ok(...args: string[]): Promise<string> {
      const { stdout, stderr, code } = await cli(args);
      expect({ args, stderr, code }).toEqual({ args, stderr: '', code: 0 });
      return stdout.trim();
    },
  };
}

/** Runs a program to its end. */
export function run(file: string, args: readonly string[], { env = {}, input = '', cwd }: RunOptions): Promise<Ended> {
  const child = spawn(file, args, {
    env: environmentWith(env),
    cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 120_000,
  });
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ended.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ended.stderr += text;
  });
  child.stdin.on('error', () => {}); // a program need not read its input
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...ended, code }));
  });
}
