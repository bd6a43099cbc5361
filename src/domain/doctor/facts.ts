import type { Stream } from '../machine.ts';
import type { AgentMode, DependencyReaction, ExecutionMode, FailureClass, Outcome, Status } from '../task.ts';

/*
 * What the database shows of one task at one moment, all from one snapshot. Times are RFC 3339 in UTC with six digits
 * of the second, so they are compared as text.
 */

export type TaskFacts = {
  task: ExaminedTask;
  /** In the order of their numbers. */
  attempts: readonly ExaminedAttempt[];
  /** In the order of the chain. */
  events: readonly ExaminedEvent[];
  dependencies: readonly ExaminedDependency[];
  /** Concurrency keys that this task holds. */
  keysHeld: readonly string[];
  /** Whoever holds the key that this task wants. */
  keyHolder: string | null;
  lane: { requires: readonly string[]; repository: string | null; agentId: string | null } | null;
  /** Agents that the task and its attempts name, as far as they exist. */
  agents: ReadonlyMap<string, { executionMode: AgentMode; deleted: boolean }>;
  /** What was due before this moment has been seen by a sweep long ago. */
  overdueBy: string;
};

export type ExaminedTask = {
  id: string;
  status: Status;
  executionMode: ExecutionMode;
  requires: readonly string[];
  repository: string | null;
  ready: boolean;
  dueAt: string | null;
  runAfter: string | null;
  namedAgentId: string | null;
  namedAt: string | null;
  assignedAgentId: string | null;
  assignedAt: string | null;
  attemptId: string | null;
  attempts: number;
  leaseExpiresAt: string | null;
  holder: string | null;
  retries: number;
  infraRetries: number;
  dependsOn: readonly string[];
  unmetDependencies: number;
  onDependencyFailure: DependencyReaction;
  requiresApproval: boolean;
  approvedAt: string | null;
  concurrencyKey: string | null;
  eventN: number;
  eventHash: string;
  updatedAt: string;
};

export type ExaminedAttempt = {
  id: string;
  number: number;
  executionMode: AgentMode;
  agentId: string;
  startedAt: string | null;
  finishedAt: string | null;
  settled: boolean;
  deadBy: string | null;
  outcome: Outcome | null;
  failureClass: FailureClass | null;
};

export type ExaminedEvent = { n: number; attemptId: string | null; type: string; text: string; hash: string };

export type ExaminedDependency = {
  id: string;
  met: boolean;
  /** Null: it doesn't exist. */
  status: Status | null;
  pruned: boolean;
  /** A person has retried it, so what it had ended as counts no more. */
  retried: boolean;
  finishedAt: string | null;
  /** It ended, and its dependants from this one on are still to be told. */
  announced: boolean;
};

export type ExaminedLog = {
  attemptId: string;
  stream: Stream;
  attemptFinished: boolean;
  totalBytes: number;
  leftOutBytes: number;
  storedBytes: number | null;
  sha256: string | null;
  /** Pieces that follow each other, joined: from the first byte to the one after the last. */
  runs: readonly { from: number; to: number }[];
  /** Of what is stored; null where it need not be known. */
  actual: { bytes: number; sha256: string } | null;
};
