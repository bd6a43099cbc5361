import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalMachine } from '../../../src/executor/local/local-machine.ts';
import { machineSuite } from '../../suites/machine-suite.ts';
import { killProcessesIn } from '../../support/proc.ts';

machineSuite('the machine that the agent lives on', async () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'taskejo-local-')));
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
