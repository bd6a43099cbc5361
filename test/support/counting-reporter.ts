import { appendFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export type Counts = { passed: number; failed: number; skipped: number };

/** Says at the end how many tests there were; with `TEST_COUNTS_FILE` also there, for whoever adds up several runs. */
export default function countingReporter(): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors) {
      const counts = countTests(modules, unhandledErrors.length);
      const { TEST_COUNTS_FILE: file } = process.env;
      if (file !== undefined) appendFileSync(file, `${counts.passed} ${counts.failed} ${counts.skipped}\n`);
      console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    },
  };
}

/** A file that could not be loaded, or an error outside of all tests, counts as one failed test. */
function countTests(modules: readonly TestModule[], unhandledErrors: number): Counts {
  const states = modules.flatMap((module) => [...module.children.allTests()]).map((test) => test.result().state);
  const broken = modules.filter((module) => module.errors().length > 0).length;
  const failed = states.filter((state) => state === 'failed').length;
  const passed = states.filter((state) => state === 'passed').length;
  return { passed, failed: failed + broken + unhandledErrors, skipped: states.length - passed - failed };
}
