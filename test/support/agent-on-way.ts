import { writeFileSync } from 'node:fs';
import { startAgentProcess } from './agent-process.ts';
import { startAgentWay } from './agent-way.ts';
import { aliveWith } from './proc.ts';
import type { ServerProcess } from './serve.ts';
import type { TaskClient } from './task-client.ts';
import { waitFor } from './wait-for.ts';

/** An agent that speaks to its server over a way that can be cut. */
export async function startAgentOnWay(server: ServerProcess, name: string, env: Record<string, string> = {}) {
  const way = await startAgentWay(server.url);
  const agent = await startAgentProcess(server, { name, env: { TASKEJO_AGENT_SERVER__URL: way.url, ...env } });
  return { way, agent };
}

/** A task that runs until `end` tells it to end as the script `ending` does; its process is known. */
export async function beginTask(
  tasks: TaskClient,
  ending: string,
  fields: { agent_id: string } & Record<string, unknown>,
) {
  const { id } = await tasks.create(`while [ ! -f go ]; do sleep 0.02; done; ${ending}`, fields);
  const { attempt } = await tasks.until(id, (task) => task.attempt?.process != null);
  const attemptId = attempt?.id ?? '';
  const end = async () => {
    writeFileSync(`/proc/${attempt?.process?.pid}/cwd/go`, '');
    await waitFor(() => aliveWith(attemptId).length === 0);
  };
  return { id, attemptId, end };
}
