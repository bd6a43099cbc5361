import { setTimeout as delay } from 'node:timers/promises';
import { agent } from '../../contract/agent.ts';
import { type Task, task } from '../../contract/task.ts';
import type { Client } from '../client.ts';
import { type Context, connectIfKnown, type ServerOptions } from '../connect.ts';
import { CliError } from '../errors.ts';
import { waitForEnd } from '../follow.ts';

const LOOK_AGAIN_MS = 300;
/** The server reads its file and asks the host within seconds. */
const PATIENCE_MS = 30_000;

/** Runs a task on a host that the server was just told of. Null: nobody said what proves that we may. */
export async function runFirstTask(id: string, options: ServerOptions, context: Context): Promise<Task | null> {
  const { terminal } = context;
  const client = connectIfKnown(options, context);
  if (client === null) {
    terminal.err('no token, so no task was run there: see taskejo login, and taskejo task create --agent\n');
    return null;
  }
  await untilOnline(client, id);
  const body = { title: `First task of ${id}`, command: ['true'], agent_id: id, timeout_seconds: 60 };
  const made = await client.post('/api/v1/tasks', body, task);
  const ended = await waitForEnd(client, made.id);
  terminal.err(`its first task is ${ended.status} (${ended.id})\n`);
  return ended;
}

async function untilOnline(client: Client, id: string): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await client.get(`/api/v1/agents/${encodeURIComponent(id)}`, agent).catch((error: unknown) => {
      if (!(error instanceof CliError && error.message.includes('not_found'))) throw error;
      return null;
    });
    if (found?.state === 'online') return;
    if (performance.now() > giveUpAt) throw new CliError(whyNot(id, found?.state_reason?.message ?? null));
    await delay(LOOK_AGAIN_MS);
  }
}

const whyNot = (id: string, reason: string | null): string =>
  `the server does not say that ${id} is online${reason === null ? ': see its log' : `: ${reason}`}`;
