import type { Policy } from './match.ts';
import type { PreemptionLimits } from './preempt.ts';

/** What an operator decides about tasks. Durations are in seconds, as in the configuration file. */
export type Settings = {
  leases: { seconds: number; renewSeconds: number; sweepSeconds: number };
  dispatch: {
    tickSeconds: number;
    pullAfterSeconds: number | null;
    policy: Policy;
    ageingSecondsPerLevel: number;
    avoidSeconds: number;
  };
  execution: {
    timeoutSeconds: number;
    killGraceSeconds: number;
    workspaceKeepSeconds: number;
    capacity: number;
    retryDelayMaxSeconds: number;
  };
  preemption: PreemptionLimits;
  retention: Retention;
  /** Null: as many as there are. */
  limits: { maxOpenPerRepository: number | null };
};

/** For how long what is over is kept. */
export type Retention = {
  tasksDays: number;
  logsDays: number;
  deliveriesDays: number;
  idempotencyHours: number;
  auditDays: number;
};
