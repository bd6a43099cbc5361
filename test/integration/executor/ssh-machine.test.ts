import { machineSuite } from '../../suites/machine-suite.ts';
import { describeIf } from '../../support/require.ts';
import { sshSubject } from '../../support/ssh-machine.ts';

describeIf('sshd', 'over OpenSSH', () => {
  machineSuite('a host', sshSubject);
});
