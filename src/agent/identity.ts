import { join } from 'node:path';
import { z } from 'zod';
import { registered as registeredAnswer } from '../contract/agent.ts';
import type { AgentConfig } from './config.ts';
import { AgentError } from './exit.ts';
import { type ServerClient, ServerRefusal } from './http.ts';
import { readPrivateFile, writePrivateFile } from './private-files.ts';

/** Who the agent is for one server's installation. */
export type Identity = {
  /** Null where the token was made on the server and it has not said yet whose it is. */
  agentId: string | null;
  token: string;
  installationId: string;
  heartbeatSeconds: number;
  /** As the server was told; null where it was not we who told it. */
  registered: { name: string; labels: readonly string[]; capacity: number } | null;
};

const DEFAULT_HEARTBEAT_SECONDS = 10;

const stored = z.object({
  installation_id: z.string(),
  agent_id: z.string().nullable(),
  token: z.string().nullable(),
  heartbeat_seconds: z.number(),
  registered: z.object({ name: z.string(), labels: z.array(z.string()), capacity: z.int() }).nullable(),
});

const fileOf = (config: AgentConfig) => join(config.stateDir, 'identity.json');

/** Who we were at the last start; null at the first. @throws {AgentError} when the file is not ours */
export function readIdentity(config: AgentConfig): Identity | null {
  const path = fileOf(config);
  const text = readPrivateFile(path);
  if (text === null) return null;
  const parsed = stored.safeParse(parse(text));
  if (!parsed.success) throw new AgentError(`${path} is damaged; remove it to register anew`);
  const { installation_id, agent_id, token, heartbeat_seconds, registered } = parsed.data;
  const mine = config.server.token ?? token;
  if (mine === null) return null;
  return {
    installationId: installation_id,
    agentId: config.server.token === null || config.server.token === token ? agent_id : null,
    token: mine,
    heartbeatSeconds: heartbeat_seconds,
    registered,
  };
}

/**
 * Becomes an agent of this installation: with the token that was made for it, or by registering once. What was answered
 * is stored before it is used. @throws {AgentError} when the server says no, {@link ServerAway} to be tried again
 */
export async function becomeAgent(
  config: AgentConfig,
  client: ServerClient,
  installationId: string,
  version: string,
  signal: AbortSignal,
): Promise<Identity> {
  const { token } = config.server;
  const identity =
    token === null
      ? await register(config, client, installationId, version, signal)
      : { agentId: null, token, installationId, heartbeatSeconds: DEFAULT_HEARTBEAT_SECONDS, registered: null };
  storeIdentity(config, identity);
  return identity;
}

export function storeIdentity(config: AgentConfig, identity: Identity): void {
  const file: z.infer<typeof stored> = {
    installation_id: identity.installationId,
    agent_id: identity.agentId,
    token: identity.token,
    heartbeat_seconds: identity.heartbeatSeconds,
    registered: identity.registered && { ...identity.registered, labels: [...identity.registered.labels] },
  };
  writePrivateFile(fileOf(config), `${JSON.stringify(file, null, 2)}\n`);
}

async function register(
  config: AgentConfig,
  client: ServerClient,
  installationId: string,
  version: string,
  signal: AbortSignal,
): Promise<Identity> {
  const { registrationToken } = config.server;
  if (registrationToken === null) {
    throw new AgentError('server.registration_token or server.token is needed at the first start');
  }
  const { name, labels, capacity } = config;
  const request = { method: 'POST', path: '/api/v1/agents/register', token: registrationToken } as const;
  try {
    const body = { name, labels, capacity, version };
    const answer = await client({ ...request, body, schema: registeredAnswer }, signal);
    return {
      agentId: answer.agent_id,
      token: answer.token,
      installationId,
      heartbeatSeconds: answer.heartbeat_seconds,
      registered: { name, labels, capacity },
    };
  } catch (error) {
    if (!(error instanceof ServerRefusal)) throw error;
    throw new AgentError(refusalSentence(error, name), undefined, { cause: error });
  }
}

function refusalSentence({ code, message }: ServerRefusal, name: string): string {
  if (code === 'name_taken') {
    return `the server knows an agent or host named ${name} already: choose another name, or delete that one there`;
  }
  if (code === 'unauthenticated') return 'the server does not accept the registration token';
  return `the server refused to register the agent: ${message}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
