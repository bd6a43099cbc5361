import { modelSuite } from '../suites/model-suite.ts';

const SECONDS = Number(process.env.MODEL_SECONDS ?? 20);

modelSuite({ runs: 3 * SECONDS, steps: 200, seconds: SECONDS });
