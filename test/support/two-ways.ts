import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentProcess, startAgentProcess } from './agent-process.ts';
import { RECORDED_FORGE_URL, RECORDED_SECRET } from './recordings.ts';
import { type ServerProcess, startServerProcess } from './serve.ts';
import { hostEntryOf } from './ssh-host.ts';
import { type Sshd, startSshd } from './sshd.ts';
import { createTaskClient, type TaskClient } from './task-client.ts';

/** The two ways to a machine; each has the label of its name. */
export const WAYS = ['ssh', 'pulled'] as const;
export type Way = (typeof WAYS)[number];

export type TwoWays = {
  server: ServerProcess;
  tasks: TaskClient;
  sshd: Sshd;
  agent: AgentProcess;
  /** A folder that is gone at the end, for what both sides may reach. */
  folder: string;
  stop(): Promise<void>;
};

export type TwoWaysOptions = {
  /** More of the configuration file. */
  configuration?: Record<string, unknown>;
  /** Environments of the server, of sessions on the host, and of the agent. */
  server?: Record<string, string>;
  host?: Record<string, string>;
  agent?: Record<string, string>;
};

/** A real server with a host over SSH and an agent that pulls: what runs on one must run on the other in the same way. */
export async function startTwoWays(options: TwoWaysOptions = {}): Promise<TwoWays> {
  const ends: (() => Promise<void> | void)[] = [];
  const stop = async () => {
    for (const end of ends.toReversed()) await end();
  };
  try {
    const folder = mkdtempSync(join(tmpdir(), 'taskejo-two-ways-'));
    ends.push(() => rmSync(folder, { recursive: true, force: true }));
    const sshd = await startSshd({ environment: options.host ?? {} });
    ends.push(sshd.stop);
    const file = join(folder, 'taskejo.yaml');
    const configuration = {
      forges: [{ name: 'main', url: RECORDED_FORGE_URL, webhook_secrets: [RECORDED_SECRET] }],
      hosts: [hostEntryOf(sshd, { id: 'box', labels: ['ssh'], capacity: 6 })],
      ssh: { probe_seconds: 1 },
      leases: { seconds: 20, renew_seconds: 1, sweep_seconds: 1 },
      dispatch: { pull_after_seconds: 1 },
      ...options.configuration,
    };
    writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 });
    const server = await startServerProcess({ TASKEJO_CONFIG: file, ...options.server });
    ends.push(server.stop);
    const agent = await startAgentProcess(server, {
      name: 'puller',
      env: { TASKEJO_AGENT_LABELS: 'pulled', TASKEJO_AGENT_CAPACITY: '6', ...options.agent },
      whenOver: (end) => ends.push(end),
    });
    return { server, tasks: createTaskClient(server), sshd, agent, folder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
