import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import acceptanceReporter from './test/support/acceptance-reporter.ts';
import countingReporter from './test/support/counting-reporter.ts';
import installingReporter from './test/support/installing-reporter.ts';

const strict = { lines: 90, branches: 90 };

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/each-file.ts'],
    reporters: ['default', installingReporter(), acceptanceReporter(), countingReporter()],
    passWithNoTests: false,
    // Deadlines, not expectations: a loaded machine of two cores must not fail a right program.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    pool: 'forks',
    maxWorkers: Math.min(4, Math.max(2, availableParallelism())),
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'html', 'json-summary'],
      // The programs run as child processes in many tests.
      autoAttachSubprocess: true,
      thresholds: {
        lines: 80,
        branches: 80,
        'src/domain/**': strict,
        'src/store/**': strict,
        'src/usecases/**': strict,
      },
    },
  },
});
