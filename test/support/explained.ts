import type { Taker, Waiting } from '../../src/domain/explain.ts';
import { NO_LIMITS, type Status } from '../../src/domain/task.ts';

/** An agent that pulls, with the label x and a free place. */
export const taker = (changes: Partial<Taker> = {}): Taker => ({
  id: 'a1',
  name: 'nuc',
  executionMode: 'http_pull',
  labels: ['x'],
  capacity: 1,
  running: 0,
  online: true,
  stateReason: null,
  cordoned: false,
  cordonReason: null,
  draining: false,
  lastSeenAt: null,
  limits: null,
  sandboxes: null,
  policy: null,
  restriction: null,
  toAsk: false,
  ...changes,
});

/** A task that waits for the label x and for nothing else. */
export const waiting = (changes: Partial<Waiting & { status: Status }> = {}): Waiting & { status: Status } => ({
  id: 't1',
  status: 'pending',
  executionMode: 'undecided',
  requestedMode: 'undecided',
  requires: ['x'],
  namedAgentId: null,
  ready: true,
  dueAt: null,
  runAfter: null,
  unmetDependencies: 0,
  requiresApproval: false,
  approvedAt: null,
  concurrencyKey: null,
  repository: null,
  command: ['make', 'all'],
  limits: NO_LIMITS,
  sandbox: 'none',
  ...changes,
});
