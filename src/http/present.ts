import type * as agentWire from '../contract/agent.ts';
import type * as attemptWire from '../contract/attempt.ts';
import type * as deliveryWire from '../contract/delivery.ts';
import type { Event } from '../contract/event.ts';
import type * as tokenWire from '../contract/token.ts';
import { type Agent, agentState } from '../domain/agent.ts';
import type { Attempt, LeasedAttempt, Renewal, StreamSizes } from '../domain/attempt.ts';
import type { Delivery } from '../domain/delivery.ts';
import type { Token } from '../domain/token.ts';
import type { PageOf } from '../usecases/cursor.ts';
import type { StoredEvent } from '../usecases/task/read-tasks.ts';

/* From the names of the code to those on the wire. Times are RFC 3339 in UTC on both sides. */

export const presentPage = <T, W>({ items, nextCursor }: PageOf<T>, present: (item: T) => W) => ({
  items: items.map(present),
  next_cursor: nextCursor,
});

export const presentEvent = (event: StoredEvent): Event => ({
  sequence: event.sequence,
  n: event.n,
  task_id: event.taskId,
  attempt_id: event.attemptId,
  at: event.at,
  type: event.type,
  actor: event.actor,
  from_status: event.fromStatus,
  to_status: event.toStatus,
  data: event.data,
  previous_hash: event.previousHash,
  hash: event.hash,
});

export const presentAttempt = (attempt: Attempt): attemptWire.Attempt => ({
  id: attempt.id,
  task_id: attempt.taskId,
  number: attempt.number,
  execution_mode: attempt.executionMode,
  agent_id: attempt.agentId,
  outcome: attempt.outcome,
  failure_class: attempt.failureClass,
  exit_code: attempt.exitCode,
  signal: attempt.signal,
  error: attempt.error,
  proof: attempt.proof,
  left_processes: attempt.leftProcesses,
  summary: attempt.summary,
  output: attempt.output,
  usage: attempt.usage,
  process: attempt.process && presentProcess(attempt.process),
  leased_at: attempt.leasedAt,
  started_at: attempt.startedAt,
  finished_at: attempt.finishedAt,
  stdout: presentSizes(attempt.streams.stdout),
  stderr: presentSizes(attempt.streams.stderr),
  branch: null,
  pull_request: null,
  patch_bytes: null,
});

export const presentProcess = ({ pid, startedAt, bootId }: NonNullable<Attempt['process']>) => ({
  pid,
  started_at: startedAt,
  boot_id: bootId,
});

const presentSizes = ({ bytes, storedBytes, sha256, truncated }: StreamSizes) => ({
  bytes,
  stored_bytes: storedBytes,
  sha256,
  truncated,
});

export const presentLeased = (attempt: LeasedAttempt) => ({
  id: attempt.id,
  number: attempt.number,
  lease_seconds: attempt.leaseSeconds,
  renew_seconds: attempt.renewSeconds,
  lease_expires_at: attempt.leaseExpiresAt,
  token: attempt.token,
});

export const presentRenewal = (renewal: Renewal): attemptWire.Renewed => ({
  lease_seconds: renewal.leaseSeconds,
  lease_expires_at: renewal.leaseExpiresAt,
  cancel_requested: renewal.stopReason !== null,
  cancel_reason: renewal.stopReason,
  followed: renewal.followed,
});

export const presentAgent = (agent: Agent): agentWire.Agent => ({
  id: agent.id,
  name: agent.name,
  execution_mode: agent.executionMode,
  state: agentState(agent),
  online: agent.online,
  state_reason: agent.stateReason,
  cordon_reason: agent.cordonReason,
  draining: agent.draining,
  allowed_networks: agent.allowedNetworks,
  labels: agent.labels,
  capacity: agent.capacity,
  running: agent.running,
  last_seen_at: agent.lastSeenAt,
  version: agent.version,
  metrics: agent.metrics,
  created_at: agent.createdAt,
});

export const presentToken = (token: Token): tokenWire.Token => ({
  id: token.id,
  name: token.name,
  scope: token.scope,
  agent_id: token.agentId,
  expires_at: token.expiresAt,
  created_at: token.createdAt,
  last_used_at: token.lastUsedAt,
  repositories: mutable(token.restriction?.repositories),
  labels: mutable(token.restriction?.labels),
});

const mutable = (list: readonly string[] | null | undefined): string[] | null => (list ? [...list] : null);

export const presentDelivery = (delivery: Delivery): deliveryWire.Delivery => ({
  id: delivery.id,
  forge: delivery.forge,
  forge_uuid: delivery.forgeUuid,
  event_type: delivery.eventType,
  action: delivery.action,
  repository: delivery.repository,
  sender: delivery.sender,
  received_at: delivery.receivedAt,
  decision: delivery.decision,
  reason: delivery.reason,
  task_ids: delivery.taskIds,
  duplicate_of: delivery.duplicateOf,
});
