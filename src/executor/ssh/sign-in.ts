import { Socket } from 'node:net';
import ssh2, { type AgentAuthMethod, type BaseAgent, type ParsedKey, type PublicKeyAuthMethod } from 'ssh2';
import { MachineError } from '../machine.ts';
import { openKey } from './own-key.ts';

/** What signs in: a private key that we hold, or an ssh-agent that holds it. */
export type Identity =
  | { privateKey: string; passphrase?: string }
  /** `publicKey`: which key of the agent; all of them in turn unless said. */
  | { agentSocket: string; publicKey?: string };

/**
 * The one method by which we sign in: each more that is tried counts against the host's patience.
 * Throws {@link MachineError} `configuration` for a key that can't be opened.
 */
export function methodOf(identity: Identity, username: string): PublicKeyAuthMethod | AgentAuthMethod {
  if ('agentSocket' in identity)
    return { type: 'agent', username, agent: agentAt(identity.agentSocket, identity.publicKey) };
  const key = openKey(identity.privateKey, identity.passphrase);
  if (key instanceof Error) throw new MachineError('configuration', `the private key can't be used: ${key.message}`);
  return { type: 'publickey', username, key };
}

/** The ssh-agent has nothing to sign in with. */
export class NoAgentKey extends Error {
  override name = 'NoAgentKey';
}

/** One that says nothing, or asks its owner who isn't there, must not look like a host that is away. */
const AGENT_MS = 4_000;

/** The agent behind a socket, of whose keys only the one asked for is offered. */
function agentAt(socket: string, publicKey: string | undefined): BaseAgent {
  const agent = ssh2.createAgent(socket);
  const open = agent.getStream?.bind(agent);
  agent.getStream = (tell) =>
    open?.((error, stream) => {
      if (stream instanceof Socket) stream.setTimeout(AGENT_MS, () => stream.destroy());
      tell(error, stream);
    });
  const list = agent.getIdentities.bind(agent);
  agent.getIdentities = (tell) =>
    list((error, keys) => {
      if (error) return tell(new NoAgentKey(`the ssh-agent at ${socket} does not answer`));
      const offered = ((keys ?? []) as ParsedKey[]).filter((key) => publicKey === undefined || isKey(key, publicKey));
      if (offered.length > 0) return tell(undefined, offered);
      const which = publicKey === undefined ? 'no key' : 'not the key of public_key';
      tell(new NoAgentKey(`the ssh-agent at ${socket} has ${which} (client certificates are not supported)`));
    });
  return agent;
}

const isKey = (key: ParsedKey, line: string): boolean =>
  key.getPublicSSH().toString('base64') === line.trim().split(/\s+/)[1];
