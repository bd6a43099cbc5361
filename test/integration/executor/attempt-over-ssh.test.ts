import { runAttemptSuite } from '../../suites/run-attempt-suite.ts';
import { describeIf } from '../../support/require.ts';
import { sshSubject } from '../../support/ssh-machine.ts';

describeIf('sshd', 'over OpenSSH', () => {
  runAttemptSuite('a host', sshSubject);
});
