import { execFileSync } from 'node:child_process';
import type { TestContext } from 'vitest';
import { requireProgram } from './require.ts';

/** For one test: bubblewrap is here and may make namespaces, or the test is skipped with the reason. */
export function requireSandbox(context: Pick<TestContext, 'skip'>): void {
  const bwrap = requireProgram('bwrap', context);
  try {
    execFileSync(bwrap, ['--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', 'true'], { stdio: 'pipe' });
  } catch (error) {
    context.skip(`bubblewrap can't make namespaces here: ${(error as Error).message}`);
  }
}
