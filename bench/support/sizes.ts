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
  rounds: 2,
  drainTasks: 4_000,
  drainSeconds: 5,
  peerTasks: 3_000,
  batchTasks: 12_800,
  freshTasks: 2_000,
  createSeconds: 2,
  latencySamples: 40,
  waiting: 2_000,
  waitingSamples: 40,
  steadySeconds: 15,
  claimSeconds: 2,
  finished: 20_000,
  untakeable: 10_000,
  readSamples: 40,
  snapshotSeconds: 20,
  passes: 2,
  sshStarts: 10,
  sshExecs: 20,
  sshLines: 20,
  agentIdleSeconds: 10,
  agentStarts: 20,
  agentTasks: 100,
  agentOutputBytes: 200_000_000,
};

export const sizesOf = (quick: boolean): Sizes => (quick ? QUICK : FULL);
