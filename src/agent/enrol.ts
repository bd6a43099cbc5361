import { setTimeout as delay } from 'node:timers/promises';
import { createBackoff } from '../executor/backoff.ts';
import type { Log } from '../executor/log.ts';
import { AgentError } from './exit.ts';
import { ServerAway } from './http.ts';
import { type Identity, type Known, readSelf, type Self, writeSelf } from './identity.ts';
import { installationOf } from './installation.ts';
import { register, registerRefused } from './register.ts';
import type { RegisterDeps } from './registration.ts';

export type EnrolDeps = RegisterDeps & { random: () => number; log: Log };

/** Whose token is used unless the server says otherwise. */
const DEFAULT_HEARTBEAT_SECONDS = 10;

/** Who we are: as at the last start, or by asking the server until it answers. Null when the signal came first. */
export async function enrol(deps: EnrolDeps, signal: AbortSignal): Promise<Known | null> {
  const { config } = deps;
  const self = readSelf(config);
  const identity = known(deps, self) ?? (await untilServerAnswers(deps, () => become(deps, self, signal), signal));
  if (identity === null) return null;
  if (self.identity === null) writeSelf(config, { ...self, identity });
  return { ...self, identity };
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
  return register(deps, self, { registrationToken, installationId }, signal).catch((error: unknown) => {
    throw registerRefused(error, deps.config.name);
  });
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
