import { modelSuite } from '../suites/model-suite.ts';

modelSuite({ runs: 35, steps: 120, seconds: 30 });
