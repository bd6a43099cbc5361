import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { visible } from '../../domain/visible.ts';
import type { Context } from '../connect.ts';
import { CliError } from '../errors.ts';

export type AgentOptions = { config?: string; json?: boolean };

/** The option of every command that asks the agent of this machine. */
export const asksAgent = (command: Command): Command =>
  command.option('--config <file>', "the agent's configuration file (else ./agent.yaml, else /etc/taskejo/agent.yaml)");

/** The agent's local API. Every call throws a {@link CliError} that says in one sentence what went wrong. */
export type AgentClient = {
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>;
  post<T>(path: string, schema: z.ZodType<T>): Promise<T>;
};

/** Nobody listens on the socket. */
export class AgentAwayError extends CliError {
  override name = 'AgentAwayError';
}

/** Finds the agent of this machine by its configuration, as it was started. */
export async function connectToAgent({ config: file }: AgentOptions, { env }: Context): Promise<AgentClient> {
  const { loadAgentConfig } = await import('../../agent/config.ts');
  const { localApi, stateDir } = await loadAgentConfig({ file, env });
  // One that runs as another user than whoever asks has its socket where that user may make one.
  const socket = [localApi.socket, join(stateDir, 'agent.sock')].find((path) => existsSync(path)) ?? localApi.socket;
  const ask = <T>(method: string, path: string, schema: z.ZodType<T>) => asked(socket, method, path, schema);
  return {
    get: (path, schema) => ask('GET', path, schema),
    post: (path, schema) => ask('POST', path, schema),
  };
}

const problem = z.object({ code: z.string(), detail: z.string() });

async function asked<T>(socketPath: string, method: string, path: string, schema: z.ZodType<T>): Promise<T> {
  const { status, text } = await send({ socketPath, method, path }).catch((error: NodeJS.ErrnoException) => {
    throw unreachable(socketPath, error);
  });
  const body = parse(text);
  const said = problem.safeParse(body);
  if (status !== 200 && said.success) throw new CliError(visible(`${said.data.detail} (${said.data.code})`));
  if (status !== 200 || !schema.safeParse(body).success) {
    throw new CliError(`what listens on ${socketPath} is no agent that this program understands (HTTP ${status})`);
  }
  return body as T;
}

/** Stopping takes as long as a command needs to end, so answers are waited for. */
async function send(options: { socketPath: string; method: string; path: string }) {
  const { request } = await import('node:http');
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const asking = request({ ...options, headers: { host: 'localhost' } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    asking.on('error', reject).end();
  });
}

function unreachable(socket: string, { code, message }: NodeJS.ErrnoException): CliError {
  if (code === 'ENOENT' || code === 'ECONNREFUSED') return new AgentAwayError(`no agent listens on ${socket}`);
  const reason = code === 'EACCES' ? 'it belongs to another user' : message;
  return new CliError(`cannot ask the agent on ${socket}: ${reason}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
