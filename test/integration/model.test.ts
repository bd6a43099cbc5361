import { modelSuite } from '../suites/model-suite.ts';

modelSuite({ runs: 15, steps: 120, seconds: 20 });
