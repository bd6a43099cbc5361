import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Bench } from './bench.ts';
import { LABEL } from './prepare.ts';
import { PROGRAM, type Server } from './server.ts';

export type Agent = AsyncDisposable & { pid: number };

/** The real pull agent in a process of its own, as its owner starts it; resolves when it is online. */
export async function startAgent(
  { children, folder }: Bench,
  server: Server,
  { name, capacity }: { name: string; capacity: number },
): Promise<Agent> {
  const { token } = await server.api<{ token: string }>('POST', '/api/v1/tokens', { name, scope: 'register' });
  const { host, port } = server.target;
  const logFile = join(folder, `agent-${name}.log`);
  const log = openSync(logFile, 'a');
  const [program = '', ...words] = [...endsWithUs(), process.execPath, PROGRAM, 'agent'];
  const child = children.start(program, words, {
    cwd: folder,
    stdio: ['ignore', 'pipe', log],
    env: {
      TASKEJO_AGENT_SERVER__URL: `http://${host}:${port}`,
      TASKEJO_AGENT_SERVER__REGISTRATION_TOKEN: token,
      TASKEJO_AGENT_NAME: name,
      TASKEJO_AGENT_LABELS: LABEL,
      TASKEJO_AGENT_CAPACITY: String(capacity),
      TASKEJO_AGENT_STATE_DIR: join(folder, `agent-${name}`),
      TASKEJO_AGENT_LOG__LEVEL: 'warn',
    },
  });
  closeSync(log);
  if (child.stdout === null) throw new Error('the agent has no output');
  const ended = once(child, 'exit').then(() => {
    throw new Error(`the agent ended before it was online:\n${readFileSync(logFile, 'utf8').slice(-2000)}`);
  });
  ended.catch(() => {});
  await Promise.race([once(createInterface(child.stdout), 'line'), ended]);
  return { pid: child.pid ?? 0, [Symbol.asyncDispose]: () => children.end(child) };
}

/** With a channel to us it would not begin itself anew with what saves memory, so the kernel ends it when we end. */
const endsWithUs = (): string[] => {
  const words = ['setpriv', '--pdeathsig', 'TERM'];
  const [program = '', ...rest] = [...words, 'true'];
  return spawnSync(program, rest).status === 0 ? words : [];
};
