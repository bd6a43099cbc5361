import { modelSuite } from '../suites/model-suite.ts';

modelSuite({ runs: 150, steps: 200, seconds: 60 });
