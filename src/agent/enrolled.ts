import { isDeepStrictEqual } from 'node:util';
import type { Log } from '../executor/log.ts';
import { asAgent, type Credential, signedCredential } from './credential.ts';
import { type ServerClient, ServerRefusal } from './http.ts';
import type { Identity, Known } from './identity.ts';
import { type RegisterDeps, registrationOf } from './registration.ts';
import type { Work } from './work.ts';

/** The agent that we are, and how we speak as it. */
export type Enrolled = {
  identity: Identity;
  client: ServerClient;
  /** Tells the server what has changed of what it was told, if it can be told. @throws {ServerAway} */
  tellChanges(signal: AbortSignal): Promise<void>;
};

export type EnrolledDeps = RegisterDeps & {
  instance: string;
  work: { use(): Promise<Pick<Work, 'register'>> };
  log: Log;
};

/** What the server is told anew, `known` says from then on, too. */
export const createEnrolled = (deps: EnrolledDeps, known: Known): Enrolled => ({
  identity: known.identity,
  client: asAgent(deps.client, credentialOf(deps, known), deps.instance),
  tellChanges: changesTeller(deps, known),
});

function credentialOf({ config, clock }: EnrolledDeps, { keys, identity }: Known): Credential {
  const { agentId, installationId } = identity;
  const { token } = config.server;
  if (token !== null) return () => token;
  return signedCredential(keys, { sub: agentId ?? '', aud: installationId }, clock);
}

function changesTeller(deps: EnrolledDeps, told: Known): Enrolled['tellChanges'] {
  const { config, log } = deps;
  const { registrationToken } = config.server;
  const { registered, agentId, installationId } = told.identity;
  const now = registrationOf(deps, told);
  let done = registered === null || isDeepStrictEqual(now, registered);
  if (registered !== null && registered.name !== config.name) {
    log.warn({ agent_id: agentId, name: registered.name }, 'the server goes on calling this agent by its first name');
  }
  return async (signal) => {
    if (done) return;
    if (registrationToken === null) {
      log.warn({ agent_id: agentId }, 'the server knows this agent as it was: to tell it, give a registration token');
    } else {
      const { register } = await deps.work.use();
      try {
        told.identity = await register(deps, told, { registrationToken, installationId }, signal);
      } catch (error) {
        if (!(error instanceof ServerRefusal)) throw error;
        log.warn({ agent_id: agentId, cause: error.message }, 'the server knows this agent as it was');
      }
    }
    done = true;
  };
}
