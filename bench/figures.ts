import { agent } from './figures/agent.ts';
import { batch } from './figures/batch.ts';
import { claim } from './figures/claim.ts';
import { create } from './figures/create.ts';
import { drain } from './figures/drain.ts';
import { fresh } from './figures/fresh.ts';
import { latency } from './figures/latency.ts';
import { pass } from './figures/pass.ts';
import { reads } from './figures/reads.ts';
import { snapshot } from './figures/snapshot.ts';
import { ssh } from './figures/ssh.ts';
import { steady } from './figures/steady.ts';
import { waiting } from './figures/waiting.ts';
import type { Figure } from './support/figure.ts';

/** All that is measured, in the order of a whole run. */
export const FIGURES: readonly Figure[] = [
  drain,
  fresh,
  batch,
  create,
  latency,
  waiting,
  steady,
  claim,
  reads,
  snapshot,
  pass,
  ssh,
  agent,
];
