import type * as wire from '../contract/task.ts';
import type { Limits, Task, TaskAttempt, TaskResult, TaskSource } from '../domain/task.ts';
import { presentProcess } from './present.ts';

/** A task on the wire. */
export const presentTask = (task: Task): wire.Task => ({
  id: task.id,
  title: task.title,
  body: task.body,
  status: task.status,
  execution_mode: task.executionMode,
  requested_mode: task.requestedMode,
  priority: task.priority,
  version: task.version,
  created_by: task.createdBy,
  template: task.template,
  command: task.command,
  input: task.input,
  input_base64: task.inputBytes && Buffer.from(task.inputBytes).toString('base64'),
  environment: task.environment,
  requires: task.requires,
  timeout_seconds: task.timeoutSeconds,
  preemptible: task.preemptible,
  repeatable: task.repeatable,
  limits: presentLimits(task.limits),
  sandbox: task.sandbox,
  output_schema: task.outputSchema,
  source: task.source && presentSource(task.source, task.deliveryId),
  repository: task.repository,
  named_agent_id: task.namedAgentId,
  assigned_agent_id: task.assignedAgentId,
  assigned_at: task.assignedAt,
  attempt: task.attempt && presentTaskAttempt(task.attempt),
  run_after: task.runAfter,
  depends_on: task.dependsOn,
  unmet_dependencies: task.unmetDependencies,
  on_dependency_failure: task.onDependencyFailure,
  requires_approval: task.requiresApproval,
  approved_at: task.approvedAt,
  concurrency_key: task.concurrencyKey,
  max_retries: task.maxRetries,
  retries: task.retries,
  max_infra_retries: task.maxInfraRetries,
  infra_retries: task.infraRetries,
  retry_delay_seconds: task.retryDelaySeconds,
  cancel_requested: task.stopReason === 'cancel',
  cancel_reason: task.stopReason === 'cancel' ? task.stopDetail : null,
  waiting_reason: task.waitingReason,
  result: task.result && presentResult(task.result),
  created_at: task.createdAt,
  updated_at: task.updatedAt,
  finished_at: task.finishedAt,
});

export const presentLimits = (limits: Limits): wire.Task['limits'] => ({
  cpu_percent: limits.cpuPercent,
  memory_bytes: limits.memoryBytes,
  processes: limits.processes,
  file_size_bytes: limits.fileSizeBytes,
  cost_usd: limits.costUsd,
});

const presentSource = (source: TaskSource, deliveryId: string | null): wire.Task['source'] => ({
  forge: source.forge,
  repository: source.repository,
  kind: source.kind,
  number: source.number,
  event: source.event,
  sender: source.sender,
  url: source.url,
  ref: source.ref,
  sha: source.sha,
  delivery_id: deliveryId,
});

const presentTaskAttempt = (attempt: TaskAttempt): wire.Task['attempt'] => ({
  id: attempt.id,
  number: attempt.number,
  agent_id: attempt.agentId,
  lease_expires_at: attempt.leaseExpiresAt,
  started_at: attempt.startedAt,
  process: attempt.process && presentProcess(attempt.process),
  contact: attempt.contact,
  progress: attempt.progress,
});

const presentResult = (result: TaskResult): wire.Task['result'] => ({
  outcome: result.outcome,
  exit_code: result.exitCode,
  failure_class: result.failureClass,
  error: result.error,
  summary: result.summary,
  output: result.output,
  attempt_id: result.attemptId,
});
