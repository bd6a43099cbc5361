import { machineSuite } from '../../suites/machine-suite.ts';
import { localSubject } from '../../support/local-machine.ts';

machineSuite('the machine that the agent lives on', () => localSubject());
