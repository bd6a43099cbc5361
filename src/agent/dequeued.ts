import { z } from 'zod';
import { leasedAttempt } from '../contract/attempt.ts';
import { limitsOf } from '../contract/new-task.ts';
import { task } from '../contract/task.ts';
import { commandEnvironment } from '../executor/command-environment.ts';
import type { AgentConfig } from './config.ts';
import type { TakenTask } from './store-rows.ts';

/** Of a task only what running it needs: a newer server may say more, and other words elsewhere. */
const answer = z.object({
  tasks: z.array(
    task
      .pick({
        id: true,
        command: true,
        input: true,
        input_base64: true,
        limits: true,
        sandbox: true,
        timeout_seconds: true,
        repository: true,
      })
      .extend({
        source: z
          .object({ ref: z.string().nullable(), sha: z.string().nullable(), number: z.int().nullable() })
          .nullable(),
        attempt: leasedAttempt,
      }),
  ),
});
type Dequeued = z.infer<typeof answer>['tasks'][number];

/** What a request for work has brought, as this agent is to run it. */
export const dequeued = (config: Pick<AgentConfig, 'server' | 'environment'>) =>
  answer.transform(({ tasks }) => tasks.map((one) => takenTask(config, one)));

const takenTask = (
  config: Pick<AgentConfig, 'server' | 'environment'>,
  { attempt, source, ...task }: Dequeued,
): TakenTask => ({
  attemptId: attempt.id,
  taskId: task.id,
  number: attempt.number,
  command: task.command,
  input: task.input ?? '',
  inputBase64: task.input_base64,
  environment: commandEnvironment({
    url: config.server.url,
    token: attempt.token,
    repository: task.repository,
    ref: source?.ref ?? null,
    sha: source?.sha ?? null,
    issue: source?.number ?? null,
    agent: config.environment,
  }),
  limits: limitsOf(task.limits),
  sandbox: task.sandbox,
  timeoutSeconds: task.timeout_seconds,
  renewSeconds: attempt.renew_seconds,
});
