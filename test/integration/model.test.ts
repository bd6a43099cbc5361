import { modelSuite } from '../suites/model-suite.ts';

modelSuite({ runs: 40, steps: 80 });
