import { text } from 'node:stream/consumers';
import { inject } from 'vitest';
import { taskejoFile } from './command-line.ts';
import { environmentWith, exitOf, firstLine, startProgram } from './programs.ts';
import { temporaryFolder } from './temporary.ts';
import { cloneDatabase } from './test-server.ts';

/** The server as a program, in a folder of its own, with no more environment than it is given. */
export function serve(args: string[], env: Record<string, string> = {}, cwd = temporaryFolder()) {
  const child = startProgram(process.execPath, [taskejoFile, 'serve', ...args], {
    cwd,
    env: environmentWith({ HOME: cwd, ...env }),
  });
  const errors = child.stderr === null ? Promise.resolve('') : text(child.stderr);
  return { child, cwd, errors, exited: exitOf(child) };
}
export type Server = ReturnType<typeof serve>;

export const urlOf = async ({ child }: Server) => (await firstLine(child)).replace(/^listening on /, '');
export const onDatabase = async () => ({ DATABASE_URL: await cloneDatabase(inject('testServer'), false) });

export async function stop({ child, exited }: Server): Promise<number | null> {
  child.kill('SIGTERM');
  return (await exited).code;
}
