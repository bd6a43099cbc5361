import ssh2, { type BaseAgent, type ConnectConfig, type ParsedKey } from 'ssh2';

/** What signs in: a private key that we hold, or an ssh-agent that holds it. */
export type Identity =
  | { privateKey: string; passphrase?: string }
  /** `publicKey`: which key of the agent; all of them in turn unless said. */
  | { agentSocket: string; publicKey?: string };

type SignIn = Pick<ConnectConfig, 'privateKey' | 'passphrase' | 'agent' | 'authHandler'>;

/** How the SSH library is told. No other method is tried: each would count against the host's patience. */
export function signInWith(identity: Identity): SignIn {
  if ('agentSocket' in identity)
    return { agent: agentAt(identity.agentSocket, identity.publicKey), authHandler: ['agent'] };
  const { privateKey, passphrase } = identity;
  return { privateKey, ...(passphrase === undefined ? {} : { passphrase }), authHandler: ['publickey'] };
}

/** The agent behind a socket, of whose keys only the one asked for is offered. */
function agentAt(socket: string, publicKey: string | undefined): BaseAgent {
  const agent = ssh2.createAgent(socket);
  const list = agent.getIdentities.bind(agent);
  agent.getIdentities = (tell) =>
    list((error, keys) => {
      if (error) return tell(new Error(`the ssh-agent at ${socket} does not answer`));
      const offered = ((keys ?? []) as ParsedKey[]).filter((key) => publicKey === undefined || isKey(key, publicKey));
      if (offered.length > 0) return tell(undefined, offered);
      const which = publicKey === undefined ? 'no key' : 'no key like public_key';
      tell(new Error(`the ssh-agent at ${socket} has ${which} (certificates are not supported)`));
    });
  return agent;
}

const isKey = (key: ParsedKey, line: string): boolean =>
  key.getPublicSSH().toString('base64') === line.trim().split(/\s+/)[1];
