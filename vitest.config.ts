import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import acceptanceReporter from './test/support/acceptance-reporter.ts';
import countingReporter from './test/support/counting-reporter.ts';
import installingReporter from './test/support/installing-reporter.ts';
import { LongestFirst } from './test/support/longest-first.ts';

const strict = { lines: 90, branches: 90 };

export default defineConfig({
  test: {
    projects: [
      // These need no process each: the code keeps no state beside what a test makes, and loading it takes the longest.
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'], isolate: false } },
      {
        extends: true,
        test: { name: 'integration', include: ['test/integration/**/*.test.ts'], isolate: false },
      },
      { extends: true, test: { name: 'whole', include: ['test/{e2e,long}/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'fault',
          include: ['test/fault/**/*.test.ts'],
          setupFiles: ['test/support/children-uncovered.ts'],
        },
      },
    ],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/close-databases.ts'],
    reporters: ['default', installingReporter(), acceptanceReporter(), countingReporter()],
    passWithNoTests: false,
    // Deadlines, not expectations: a loaded machine of two cores must not fail a right program.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    teardownTimeout: 60_000,
    expect: { poll: { timeout: 90_000 } },
    pool: 'forks',
    // Node itself loads the code, as it does in use; what child processes cover is then added up line by line. No module
    // is mocked, so nobody has to look into it.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // Many tests wait for programs most of their time: four at once also where there are two cores.
    maxWorkers: Math.max(4, Math.floor(availableParallelism() * 1.5)),
    sequence: { sequencer: LongestFirst },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'html', 'json-summary'],
      // The programs run as child processes in many tests; those of test/fault don't count.
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
