import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
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

/** Runs a program to its end. */
export function run(file: string, args: readonly string[], { env = {}, input = '', cwd }: RunOptions): Promise<Ended> {
  const child = spawn(file, args, {
    env: environmentWith(env),
    cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 50_000,
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
