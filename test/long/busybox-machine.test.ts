import { machineSuite } from '../suites/machine-suite.ts';
import { busyboxPath, localSubject } from '../support/local-machine.ts';
import { describeIf } from '../support/require.ts';

describeIf('busybox', 'where everything is busybox', (busybox) => {
  machineSuite('a machine', () => localSubject((folder) => busyboxPath(busybox, folder)));
});
