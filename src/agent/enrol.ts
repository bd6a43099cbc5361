import { setTimeout as delay } from 'node:timers/promises';
import { createBackoff } from '../executor/backoff.ts';
import type { Log } from '../executor/log.ts';
import type { AgentConfig } from './config.ts';
import { ServerAway, type ServerClient } from './http.ts';
import { becomeAgent, type Identity, readIdentity } from './identity.ts';
import { installationOf } from './presence.ts';

export type EnrolDeps = {
  config: AgentConfig;
  client: ServerClient;
  version: string;
  random: () => number;
  log: Log;
};

/** Who we are: as at the last start, or by asking the server until it answers. Null when the signal came first. */
export async function enrol(deps: EnrolDeps, signal: AbortSignal): Promise<Identity | null> {
  const { config, client, version, random, log } = deps;
  const known = readIdentity(config);
  if (known !== null) {
    warnOfChanges(config, known, log);
    return known;
  }
  const backoff = createBackoff({ minMs: 250, maxMs: 10_000, random });
  let told = false;
  while (!signal.aborted) {
    try {
      return await becomeAgent(config, client, await installationOf(client, signal), version, signal);
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

/** What was registered stays so until somebody changes it on the server. */
function warnOfChanges(config: AgentConfig, { registered, agentId }: Identity, log: Log): void {
  if (registered === null) return;
  const now = { name: config.name, labels: config.labels, capacity: config.capacity };
  if (JSON.stringify(now) === JSON.stringify(registered)) return;
  log.warn({ agent_id: agentId, registered, configured: now }, 'the server knows the agent as it was registered');
}
