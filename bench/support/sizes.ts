/** How much of everything. Quick is for finding out whether the benchmark works and what a change did roughly. */
export type Sizes = typeof FULL;

const FULL = {
  rounds: 5,
  /** Tasks that a contestant drains in a turn; one that is several times faster gets its multiple. */
  drainTasks: 20_000,
  /** And no longer than this, however slow. */
  drainSeconds: 30,
  peerTasks: 10_000,
  batchTasks: 100_000,
  freshTasks: 10_000,
  createSeconds: 6,
  latencySamples: 400,
  waiting: 10_000,
  waitingSamples: 300,
  steadySeconds: 300,
  claimSeconds: 10,
  finished: 200_000,
  untakeable: 100_000,
  readSamples: 200,
  explainAgents: 1_000,
  snapshotSeconds: 600,
  passAgents: 5_000,
  passTasks: 10_000,
  passes: 10,
  sshStarts: 40,
  sshExecs: 100,
  /** That each of twenty tasks prints. */
  sshLines: 60,
  agentIdleSeconds: 60,
  agentStarts: 200,
  agentTasks: 1_000,
  agentOutputBytes: 1_000_000_000,
};

const QUICK: Sizes = {
  ...FULL,
  rounds: 3,
  drainTasks: 6_000,
  drainSeconds: 8,
  peerTasks: 4_000,
  batchTasks: 25_600,
  freshTasks: 4_000,
  createSeconds: 2,
  latencySamples: 60,
  waitingSamples: 60,
  steadySeconds: 40,
  claimSeconds: 3,
  finished: 50_000,
  untakeable: 25_000,
  readSamples: 60,
  snapshotSeconds: 60,
  passes: 2,
  sshStarts: 15,
  sshExecs: 30,
  sshLines: 20,
  agentIdleSeconds: 20,
  agentStarts: 40,
  agentTasks: 100,
  agentOutputBytes: 200_000_000,
};

export const sizesOf = (quick: boolean): Sizes => (quick ? QUICK : FULL);
