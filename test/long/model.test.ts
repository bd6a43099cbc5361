import { modelSuite } from '../suites/model-suite.ts';

modelSuite({ runs: 400, steps: 200, seconds: 400 });
