import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Reporter, TestModule, Vitest } from 'vitest/node';
import { acceptance } from '../acceptance.ts';
import { missingProofs, renderAcceptance, stateOf, type TestState } from './acceptance-page.ts';
import { isWholeRun } from './full-run.ts';
import { everythingIsRequired } from './needed-programs.ts';

const page = fileURLToPath(new URL('../../docs/acceptance.md', import.meta.url));

/**
 * Writes docs/acceptance.md after a run of all tests; in continuous integration, and with `ACCEPTANCE=check`, sees that
 * it is as written. A run of some files, or one that had to skip a proof, says nothing about the page.
 */
export default function acceptanceReporter(): Reporter {
  let vitest: Vitest | undefined;
  let covered = false;
  return {
    onInit(started) {
      vitest = started;
    },
    async onTestRunStart(specifications) {
      covered = await isWholeRun(vitest, specifications);
    },
    onTestRunEnd(modules, _, reason) {
      if (!covered || reason === 'interrupted') return;
      const results = resultsOf(modules);
      const missing = missingProofs(acceptance, results);
      for (const proof of missing) fail(`test/acceptance.ts names a test that does not exist: ${proof}`);
      if (missing.length > 0) return;
      const lines = acceptance.flatMap((part) => part.lines);
      const unproven = lines.filter((line) => stateOf(line, results) === 'skipped').length;
      if (unproven > 0) console.warn(`docs/acceptance.md stays as it was: the tests of ${unproven} lines were skipped`);
      else keep(renderAcceptance(acceptance, results));
    },
  };
}

function keep(text: string): void {
  const onlyCheck = everythingIsRequired || process.env.ACCEPTANCE === 'check';
  if (!onlyCheck) writeFileSync(page, text);
  else if (readIfThere(page) !== text) fail('docs/acceptance.md is not up to date: npm run test:all writes it');
}

function resultsOf(modules: readonly TestModule[]): Map<string, TestState> {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  return new Map(
    tests.map((test) => {
      const { state } = test.result();
      return [`${test.module.relativeModuleId} > ${test.fullName}`, state === 'pending' ? 'skipped' : state];
    }),
  );
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
