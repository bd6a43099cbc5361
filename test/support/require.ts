import { describe, type TestContext, test } from 'vitest';
import { everythingIsRequired, findProgram, missing, type ProgramName } from './needed-programs.ts';

export { findProgram };

/** For one test: its path, or the test is skipped; where everything is required, it fails. */
export function requireProgram(name: ProgramName, context: Pick<TestContext, 'skip'>): string {
  const file = findProgram(name);
  if (file !== undefined) return file;
  if (everythingIsRequired) throw new Error(missing(name));
  return context.skip(missing(name));
}

/** For a group of tests that need a program. Without it one skipped test says why; where everything is required it fails. */
export function describeIf(name: ProgramName, title: string, body: (path: string) => void): void {
  const file = findProgram(name);
  if (file !== undefined) {
    describe(title, () => body(file));
    return;
  }
  if (everythingIsRequired) {
    test(`${title}: can run here`, () => {
      throw new Error(missing(name));
    });
    return;
  }
  console.warn(`skipped: ${title}: ${missing(name)}`);
  test(title, (context) => context.skip(missing(name)));
}
