import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { inOneLine } from '../../domain/visible.ts';
import type { Environment } from '../../yaml-file.ts';

const run = promisify(execFile);

/** How long a machine that has just started may take for one thing. */
export const PATIENCE_MS = 30_000;

/** The machine did not say in time what it has: it is busy, or something hangs. That is no answer. */
export class Unsaid extends Error {
  override name = 'Unsaid';
}

/**
 * Tries a program: why it can't do what it was told, in its own words, null where it did; and all that it said of it.
 * @throws {Unsaid} when it takes too long
 */
export async function tryProgram(
  [program = '', ...words]: readonly string[],
  { env, patienceMs }: { env?: Environment; patienceMs: number },
): Promise<{ code: number; reason: string | null; stderr: string }> {
  try {
    const { stderr } = await run(program, words, {
      env: env ?? process.env,
      timeout: patienceMs,
      killSignal: 'SIGKILL',
    });
    return { code: 0, reason: null, stderr };
  } catch (error) {
    const { stderr = '', code, killed, message } = error as Error & Partial<Failure>;
    if (killed) throw new Unsaid(`${program} ${words[0]} took more than ${patienceMs / 1000} s`);
    return { code: typeof code === 'number' ? code : -1, reason: lastLine(stderr) || inOneLine(message), stderr };
  }
}

type Failure = { stderr: string; code: number | string; killed: boolean };

/** The last thing that a program said before it failed. */
const lastLine = (stderr: string): string => inOneLine(stderr.trim().split('\n').at(-1) ?? '').slice(0, 300);
