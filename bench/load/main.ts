/** The load generator: a process of its own, so that neither the server nor the clock waits for it. */
import { serveJobs } from '../support/jobs.ts';
import { loadJobs } from './jobs.ts';

serveJobs(loadJobs);
