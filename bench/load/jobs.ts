import { create } from './create.ts';
import { drain } from './drain.ts';
import { loops } from './loops.ts';
import { read } from './read.ts';
import { createWaiting } from './waiting.ts';

/** What the load generator can do. */
export const loadJobs = { create, drain, loops, read, ...createWaiting() };
export type LoadJobs = typeof loadJobs;
