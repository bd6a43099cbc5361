import { inUtc } from '../contract/common.ts';
import { type CreateTask, limitsOf } from '../contract/new-task.ts';
import { priorityNumber } from '../domain/task.ts';
import type { TaskRequest } from '../usecases/create/task-request.ts';

/** A request to create a task, from the names on the wire to those of the code. */
export const taskRequest = (body: CreateTask): TaskRequest => ({
  id: body.id,
  title: body.title,
  command: body.command,
  template: body.template,
  variables: body.variables,
  body: body.body,
  input: body.input,
  inputBytes: body.input_base64 === undefined ? undefined : Buffer.from(body.input_base64, 'base64'),
  environment: body.environment,
  limits: body.limits && limitsOf(body.limits),
  sandbox: body.sandbox,
  outputSchema: body.output_schema,
  requires: body.requires,
  priority: body.priority === undefined ? undefined : priorityNumber(body.priority),
  executionMode: body.execution_mode,
  agentId: body.agent_id,
  timeoutSeconds: body.timeout_seconds,
  runAfter: body.run_after && inUtc(body.run_after),
  dependsOn: body.depends_on,
  onDependencyFailure: body.on_dependency_failure,
  requiresApproval: body.requires_approval,
  concurrencyKey: body.concurrency_key,
  maxRetries: body.max_retries,
  maxInfraRetries: body.max_infra_retries,
  retryDelaySeconds: body.retry_delay_seconds,
  preemptible: body.preemptible,
  repeatable: body.repeatable,
  repository: body.repository,
});
