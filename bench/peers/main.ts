/** The queues that Taskejo is compared with, as libraries in a process of their own. */
import { serveJobs } from '../support/jobs.ts';
import { peerJobs } from './jobs.ts';

serveJobs(peerJobs);
