import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { taskejoFile } from './command-line.ts';
import { killProcessesIn } from './proc.ts';
import { environmentWith, exitOf, firstLine } from './programs.ts';
import type { ServerProcess } from './serve.ts';
import { waitFor } from './wait-for.ts';

export type AgentProcess = {
  /** Its id on the server. */
  id: string;
  /** What it must not forget, and where its commands work. */
  stateDir: string;
  readonly pid: number;
  /** What it has logged so far, of all its starts. */
  log(): string;
  /** Kills it as the kernel would; its commands go on. */
  kill(): Promise<void>;
  /** Resolves with its exit code when this start of it has ended, however. */
  died(): Promise<number | null>;
  /** Starts it again on the same state; resolves when it is online, or at once with `online: false`. */
  start(how?: { online: boolean }): Promise<void>;
  /** Asks it to stop, a second time once it has heard the first if `force`; answers its exit code. */
  stop(how?: { force: boolean }): Promise<number | null>;
};

export type AgentOptions = {
  name: string;
  /** Where it keeps its state; else in a folder of its own. */
  stateDir?: string;
  env?: Record<string, string>;
  /** Words of a program that runs it, before its own. */
  within?: readonly string[];
  /** Say the settings in a file `agent.yaml` where it is started, not in its environment. */
  file?: boolean;
  /** Who calls what ends it; the end of the test unless said. */
  whenOver?: (end: () => Promise<void>) => void;
};

/** The real agent program in a process of its own; the test's end kills it and whatever it has started. */
export async function startAgentProcess(server: ServerProcess, options: AgentOptions): Promise<AgentProcess> {
  const stateDir = options.stateDir ?? realpathSync(mkdtempSync(join(tmpdir(), 'taskejo-agent-')));
  const token = await server.api<{ token: string }>('POST', '/api/v1/tokens', {
    name: options.name,
    scope: 'register',
  });
  const settings = {
    TASKEJO_AGENT_SERVER__URL: server.url,
    TASKEJO_AGENT_SERVER__REGISTRATION_TOKEN: token.token,
    TASKEJO_AGENT_NAME: options.name,
    TASKEJO_AGENT_STATE_DIR: stateDir,
    TASKEJO_AGENT_LOG__LEVEL: 'debug',
  };
  if (options.file) writeFileSync(join(stateDir, 'agent.yaml'), yamlOf(settings), { mode: 0o600 });
  const env = environmentWith({ HOME: undefined, ...(options.file ? {} : settings), ...options.env });
  let log = '';
  let child: ChildProcess;
  let id = '';
  const start = async ({ online }: { online: boolean } = { online: true }) => {
    const [program = '', ...words] = [...(options.within ?? []), process.execPath, taskejoFile, 'agent'];
    child = spawn(program, words, { cwd: stateDir, env, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stderr?.on('data', (text: Buffer) => {
      log += text.toString();
    });
    if (online) id = /^agent (\S+) online at /.exec(await firstLine(child))?.[1] ?? '';
  };
  const whenOver = options.whenOver ?? onTestFinished;
  whenOver(async () => {
    child.kill('SIGKILL');
    await exitOf(child);
    killProcessesIn(stateDir);
    rmSync(stateDir, { recursive: true, force: true, maxRetries: 5 });
  });
  await start();
  return {
    get id() {
      return id;
    },
    stateDir,
    get pid() {
      return child.pid ?? 0;
    },
    log: () => log,
    async kill() {
      child.kill('SIGKILL');
      await exitOf(child);
    },
    died: async () => (await exitOf(child)).code,
    start,
    async stop({ force } = { force: false }) {
      const before = log.length;
      child.kill('SIGTERM');
      if (force) {
        await waitFor(() => log.slice(before).includes('taking nothing new'));
        child.kill('SIGTERM');
      }
      return (await exitOf(child)).code;
    },
  };
}

/** The same settings as lines of a file: flow style, one line for each top-level key. */
function yamlOf(settings: Record<string, string>): string {
  const tree: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(settings)) {
    const [key = '', inner] = name.replace('TASKEJO_AGENT_', '').toLowerCase().split('__');
    tree[key] = inner === undefined ? value : { ...(tree[key] as object | undefined), [inner]: value };
  }
  return Object.entries(tree)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
}
