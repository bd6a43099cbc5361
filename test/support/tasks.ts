import type { Kysely } from 'kysely';
import { BLANK_RESULT, type Result } from '../../src/domain/attempt.ts';
import { type Actor, type AgentMode, type NewTask, PLAIN } from '../../src/domain/task.ts';
import type { Database } from '../../src/store/schema.ts';

export const alice: Actor = { kind: 'coordinator', id: 'alice' };

export const newTask = (changes: Partial<NewTask> = {}): NewTask => ({
  ...PLAIN,
  title: 'Build it',
  body: null,
  template: null,
  command: ['make'],
  input: null,
  environment: {},
  requires: [],
  priority: 3,
  executionMode: 'undecided',
  namedAgentId: null,
  timeoutSeconds: 300,
  runAfter: null,
  maxRetries: 0,
  maxInfraRetries: 3,
  retryDelaySeconds: 60,
  preemptible: true,
  repeatable: true,
  repository: null,
  source: null,
  deliveryId: null,
  createdBy: { kind: 'coordinator', id: 'alice', name: 'alice' },
  ...changes,
});

/** An agent that is online, straight into the table. */
export async function addAgent(
  db: Kysely<Database>,
  id: string,
  agent: { mode?: AgentMode; labels?: string[]; capacity?: number; online?: boolean } = {},
): Promise<string> {
  await db
    .insertInto('agents')
    .values({
      id,
      name: id,
      execution_mode: agent.mode ?? 'http_pull',
      labels: agent.labels ?? [],
      capacity: agent.capacity ?? 3,
      online: agent.online ?? true,
      last_seen_at: new Date().toISOString(),
    })
    .execute();
  return id;
}

export const succeeded: Result = { ...BLANK_RESULT, outcome: 'completed', exitCode: 0 };
export const failed = (failureClass: Result['failureClass'], exitCode: number | null = null): Result => ({
  ...succeeded,
  outcome: 'failed',
  failureClass,
  exitCode,
});
