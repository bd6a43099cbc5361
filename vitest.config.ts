import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/each-file.ts'],
    passWithNoTests: false,
    // Deadlines, not expectations: a loaded machine of two cores must not fail a right program.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    pool: 'forks',
    maxWorkers: Math.min(4, Math.max(2, availableParallelism())),
  },
});
