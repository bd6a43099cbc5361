import { modelSuite } from '../suites/model-suite.ts';

modelSuite({ runs: 300, steps: 150 });
