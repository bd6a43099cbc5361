import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalMachine } from '../../../src/executor/local/local-machine.ts';
import { runAttemptSuite } from '../../suites/run-attempt-suite.ts';
import { killProcessesIn } from '../../support/proc.ts';

runAttemptSuite('the machine that the agent lives on', async () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'taskejo-attempt-')));
  return {
    home,
    machine: () => createLocalMachine({ directory: join(home, 'machine'), installationId: 'suite' }),
    disconnect: async () => {}, // each operation is a process of its own: there is no link
    stop: async () => {
      killProcessesIn(home);
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
});
