import type { z } from 'zod';
import type { heartbeatAnswer, MachineMetrics } from '../contract/agent.ts';
import { createWake } from '../executor/attempt/wake.ts';
import { createBackoff } from '../executor/backoff.ts';
import type { Log } from '../executor/log.ts';
import type { Enrolled } from './enrolled.ts';
import { AgentError, EXIT } from './exit.ts';
import { fields, isFlag, isText, isWhole } from './fields.ts';
import { ServerAway, type ServerClient, ServerRefusal } from './http.ts';
import type { Identity } from './identity.ts';
import { installationOf } from './installation.ts';
import type { Intake } from './intake.ts';
import type { AgentStore } from './store.ts';

/** Whether the server answered last, and who we are to it. */
export type Standing = { online: boolean; agentId: string | null };

export type PresenceDeps = {
  /** Kept up to date here. */
  standing: Standing;
  readMetrics: () => Promise<MachineMetrics>;
  client: ServerClient;
  identity: Identity;
  tellChanges: Enrolled['tellChanges'];
  intake: Intake;
  store: AgentStore;
  /** The server has answered, and said who we are. */
  onOnline: (agentId: string) => void;
  random: () => number;
  log: Log;
};

type BeatAnswer = Pick<z.output<typeof heartbeatAnswer>, 'agent_id' | 'draining' | 'generation'>;
const beatAnswer = fields<BeatAnswer>({ agent_id: isText, draining: isFlag, generation: isWhole });

/**
 * Shows the server that the agent is there, until the signal is aborted. Leases are renewed by each attempt itself, with
 * its progress. @throws {AgentError} when the server turns out to be another installation than the one that knows us, or
 * another instance of this agent speaks to it
 */
export async function presenceLoop(deps: PresenceDeps, signal: AbortSignal): Promise<void> {
  const { identity, intake, store, standing, onOnline, random, log } = deps;
  const wake = createWake();
  intake.onChange(wake.nudge);
  const retry = createBackoff({ minMs: 250, maxMs: identity.heartbeatSeconds * 1000, random });
  let state: 'unknown' | 'online' | 'offline' = 'unknown';
  let wasOnline = false;
  let wasDrained = false;
  while (!signal.aborted) {
    let waitMs = identity.heartbeatSeconds * 1000;
    try {
      if (state !== 'online') await meet(deps, signal);
      const { agent_id, draining, generation } = await beat(deps, signal);
      store.seeGeneration(generation);
      if (draining !== wasDrained) sayDraining(deps, draining);
      wasDrained = draining;
      if (!wasOnline) onOnline(agent_id);
      else if (state === 'offline') log.info({}, 'server back');
      wasOnline = true;
      state = 'online';
      Object.assign(standing, { online: true, agentId: agent_id ?? identity.agentId } satisfies Standing);
      retry.reset();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ServerAway || error instanceof ServerRefusal)) throw error;
      throwIfAnother(error);
      if (state !== 'offline') sayOffline(log, error);
      state = 'offline';
      standing.online = false;
      waitMs = retry.next();
    }
    await wake.wait(waitMs, signal).catch(() => {});
  }
}

/** @throws {AgentError} when the server has let another process in as this agent: there is nothing more to do for us */
export function throwIfAnother(error: Error): void {
  if (!(error instanceof ServerRefusal && error.code === 'instance_conflict')) return;
  throw new AgentError(`another instance of this agent is at work: ${error.message}`, EXIT.another, { cause: error });
}

function sayOffline(log: Log, error: ServerAway | ServerRefusal): void {
  if (error instanceof ServerAway) log.warn({ cause: error.message }, 'server away, what runs goes on');
  else log.error({ cause: error.message }, 'the server refuses this agent, what runs goes on');
}

/** The server gives nothing to an agent that it drains: it is asked all the same, and answers when that is over. */
function sayDraining({ intake, log }: PresenceDeps, draining: boolean): void {
  if (intake.closed === null) log.info({ draining }, draining ? 'the server gives no new work' : 'new work again');
}

async function beat({ client, intake, store, readMetrics }: PresenceDeps, signal: AbortSignal) {
  const metrics = await readMetrics();
  const body = { attempt_ids: [], draining: intake.closed, generation_seen: store.generation, metrics };
  return client({ method: 'POST', path: '/api/v1/agents/me/heartbeat', body, schema: beatAnswer }, signal);
}

async function meet({ client, identity, tellChanges }: PresenceDeps, signal: AbortSignal): Promise<void> {
  if ((await installationOf(client, signal)) === identity.installationId) return tellChanges(signal);
  throw new AgentError('this server is another installation than the one that knows this agent: use another state_dir');
}
