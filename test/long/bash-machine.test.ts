import { machineSuite } from '../suites/machine-suite.ts';
import { localSubject, shellPath } from '../support/local-machine.ts';
import { describeIf } from '../support/require.ts';

describeIf('bash', 'where sh is bash in POSIX mode', (bash) => {
  machineSuite('a machine', () => localSubject((folder) => shellPath(bash, folder)));
});
