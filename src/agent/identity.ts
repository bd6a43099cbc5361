import { join } from 'node:path';
import { z } from 'zod';
import { register } from '../contract/agent.ts';
import { isPublicKey, type KeyPair, newKeyPair } from '../domain/signed-token.ts';
import type { AgentConfig } from './config.ts';
import { AgentError } from './exit.ts';
import { readPrivateFile, writePrivateFile } from './private-files.ts';

/** What the server was told at the registration. */
export type Registration = z.output<typeof register>;

/** Who the agent is for one server's installation. */
export type Identity = {
  installationId: string;
  /** Null where the token was made on the server and it has not said yet whose it is. */
  agentId: string | null;
  heartbeatSeconds: number;
  /** Null where it was not we who told it. */
  registered: Registration | null;
};

/** The agent's own key, made before anybody is told of it; and who it became by it. */
export type Self = { keys: KeyPair; identity: Identity | null };
/** The same, once it is somebody. */
export type Known = Self & { identity: Identity };

const key = z.string().refine(isPublicKey);
const stored = z.object({
  public_key: key,
  private_key: key,
  known: z
    .object({
      installation_id: z.string(),
      agent_id: z.string().nullable(),
      heartbeat_seconds: z.number(),
      registered: register.nullable(),
    })
    .nullable(),
});

const fileOf = ({ stateDir }: Pick<AgentConfig, 'stateDir'>) => join(stateDir, 'identity.json');

/** Who we were at the last start; at the first, a new key and nobody yet. @throws {AgentError} when the file is no good */
export function readSelf(config: Pick<AgentConfig, 'stateDir'>): Self {
  const path = fileOf(config);
  const text = readPrivateFile(path);
  if (text === null) return writeSelf(config, { keys: newKeyPair(), identity: null });
  const parsed = stored.safeParse(parse(text));
  if (!parsed.success) throw new AgentError(`${path} is damaged; remove it to register anew, under another name`);
  const { public_key: publicKey, private_key: privateKey, known } = parsed.data;
  const identity = known && {
    installationId: known.installation_id,
    agentId: known.agent_id,
    heartbeatSeconds: known.heartbeat_seconds,
    registered: known.registered,
  };
  return { keys: { publicKey, privateKey }, identity };
}

/** Whether a server knows the agent of this folder already; yes, where only another user may know that. */
export function isRegistered(config: Pick<AgentConfig, 'stateDir'>): boolean {
  try {
    const text = readPrivateFile(fileOf(config));
    return text !== null && stored.safeParse(parse(text)).data?.known != null;
  } catch (error) {
    if (error instanceof AgentError) return true;
    throw error;
  }
}

/** It is on the disk when this returns. */
export function writeSelf(config: Pick<AgentConfig, 'stateDir'>, self: Self): Self {
  const { keys, identity } = self;
  const file: z.input<typeof stored> = {
    public_key: keys.publicKey,
    private_key: keys.privateKey,
    known: identity && {
      installation_id: identity.installationId,
      agent_id: identity.agentId,
      heartbeat_seconds: identity.heartbeatSeconds,
      registered: identity.registered,
    },
  };
  writePrivateFile(fileOf(config), `${JSON.stringify(file, null, 2)}\n`);
  return self;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
