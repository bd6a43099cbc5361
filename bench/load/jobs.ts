import { create } from './create.ts';
import { drain } from './drain.ts';

/** What the load generator can do. */
export const loadJobs = { create, drain };
export type LoadJobs = typeof loadJobs;
