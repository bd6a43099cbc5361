import { registered as registeredAnswer } from '../contract/agent.ts';
import { signedCredential } from './credential.ts';
import { AgentError } from './exit.ts';
import { ServerRefusal } from './http.ts';
import { type Identity, type Self, writeSelf } from './identity.ts';
import { type RegisterDeps, registrationOf } from './registration.ts';

/**
 * Registers, or tells the server what has changed since, and writes it down: whoever holds the key is the same agent, so
 * that asking again after a lost answer is harmless. @throws {ServerAway} to be tried again, {@link ServerRefusal}
 */
export async function register(
  deps: RegisterDeps,
  self: Self,
  { registrationToken, installationId }: { registrationToken: string; installationId: string },
  signal: AbortSignal,
): Promise<Identity> {
  const registration = registrationOf(deps, self);
  const proof = signedCredential(self.keys, { sub: registration.name, aud: installationId }, deps.clock);
  const answer = await deps.client(
    {
      method: 'POST',
      path: '/api/v1/agents/register',
      token: registrationToken,
      headers: { 'taskejo-proof': proof() },
      body: registration,
      schema: registeredAnswer,
    },
    signal,
  );
  const identity: Identity = {
    installationId,
    agentId: answer.agent_id,
    heartbeatSeconds: answer.heartbeat_seconds,
    registered: registration,
  };
  writeSelf(deps.config, { ...self, identity });
  return identity;
}

/** Why we could not be registered, as the owner of the machine can mend it. */
export function registerRefused(error: unknown, name: string): unknown {
  if (!(error instanceof ServerRefusal)) return error;
  return new AgentError(refusalSentence(error, name), undefined, { cause: error });
}

function refusalSentence({ code, message }: ServerRefusal, name: string): string {
  if (code === 'name_taken') {
    return `the server knows an agent or host named ${name} already: choose another name, or delete that one there`;
  }
  if (code === 'unauthenticated') return 'the server does not accept the registration token';
  return `the server refused to register the agent: ${message}`;
}
