import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { health } from '../contract/health.ts';
import { createBackoff } from '../executor/backoff.ts';
import type { Log } from '../executor/log.ts';
import { asAgent, type Credential, signedCredential } from './credential.ts';
import { AgentError } from './exit.ts';
import { ServerAway, type ServerClient, ServerRefusal } from './http.ts';
import { type Identity, readSelf, type Self, writeSelf } from './identity.ts';
import { type RegisterDeps, register, registerRefused, registrationOf } from './register.ts';

export type EnrolDeps = RegisterDeps & { instance: string; random: () => number; log: Log };

/** The agent that we are, and how we speak as it. */
export type Enrolled = {
  identity: Identity;
  client: ServerClient;
  /** Tells the server what has changed of what it was told, if it can be told. @throws {ServerAway} */
  tellChanges(signal: AbortSignal): Promise<void>;
};

/** Whose token is used unless the server says otherwise. */
const DEFAULT_HEARTBEAT_SECONDS = 10;

/** Who we are: as at the last start, or by asking the server until it answers. Null when the signal came first. */
export async function enrol(deps: EnrolDeps, signal: AbortSignal): Promise<Enrolled | null> {
  const { config } = deps;
  const self = readSelf(config);
  const identity = known(deps, self) ?? (await untilServerAnswers(deps, () => become(deps, self, signal), signal));
  if (identity === null) return null;
  if (self.identity === null) writeSelf(config, { ...self, identity });
  return {
    identity,
    client: asAgent(deps.client, credentialOf(deps, self, identity), deps.instance),
    tellChanges: changesTeller(deps, { ...self, identity }),
  };
}

function known({ config }: EnrolDeps, { identity }: Self): Identity | null {
  if (config.server.token === null) return identity?.agentId ? identity : null;
  // Whose the token is, only the server knows.
  return identity && { ...identity, agentId: null, registered: null };
}

/** @throws {AgentError} when the server says no, {@link ServerAway} to be tried again */
async function become(deps: EnrolDeps, self: Self, signal: AbortSignal): Promise<Identity> {
  const { token, registrationToken } = deps.config.server;
  if (token === null && registrationToken === null) {
    throw new AgentError(
      'server.registration_token or server.token is needed at the first start: neither is set, or its variable is not',
    );
  }
  const installationId = await installationOf(deps.client, signal);
  if (registrationToken === null) {
    return { installationId, agentId: null, heartbeatSeconds: DEFAULT_HEARTBEAT_SECONDS, registered: null };
  }
  const asked = register(deps, self, { registrationToken, installationId }, signal);
  const identity = await asked.catch((error: unknown) => {
    throw registerRefused(error, deps.config.name);
  });
  writeSelf(deps.config, { ...self, identity });
  return identity;
}

/** Asks the server which installation it is. @throws {ServerAway} */
export async function installationOf(client: ServerClient, signal: AbortSignal): Promise<string> {
  const answer = await client({ method: 'GET', path: '/healthz', schema: health }, signal);
  return answer.installation_id;
}

function credentialOf({ config, clock }: EnrolDeps, { keys }: Self, { agentId, installationId }: Identity): Credential {
  const { token } = config.server;
  if (token !== null) return () => token;
  return signedCredential(keys, { sub: agentId ?? '', aud: installationId }, clock);
}

async function untilServerAnswers<T>(
  { random, log }: EnrolDeps,
  ask: () => Promise<T>,
  signal: AbortSignal,
): Promise<T | null> {
  const backoff = createBackoff({ minMs: 250, maxMs: 10_000, random });
  let told = false;
  while (!signal.aborted) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof ServerAway)) throw error;
      if (!told) log.warn({ cause: error.message }, 'server away, waiting for it');
      told = true;
    }
    await delay(backoff.next(), undefined, { signal }).catch(() => {});
  }
  return null;
}

function changesTeller(deps: EnrolDeps, told: Self & { identity: Identity }): Enrolled['tellChanges'] {
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
      await register(deps, told, { registrationToken, installationId }, signal).then(
        (identity) => void writeSelf(config, { ...told, identity }),
        (error: unknown) => {
          if (!(error instanceof ServerRefusal)) throw error;
          log.warn({ agent_id: agentId, cause: error.message }, 'the server knows this agent as it was');
        },
      );
    }
    done = true;
  };
}
