import { setTimeout as delay } from 'node:timers/promises';
import type { Left } from '../contract/local-api.ts';
import { AppError } from '../domain/errors.ts';
import type { Attempts } from './attempts.ts';
import type { AgentConfig } from './config.ts';
import { ServerAway, type ServerClient, ServerRefusal } from './http.ts';
import { readSelf, writeSelf } from './identity.ts';
import type { Intake } from './intake.ts';
import type { StoppableMachine } from './stoppable-machine.ts';
import type { AgentStore, OpenAttempt } from './store.ts';

export type LeaveDeps = {
  config: AgentConfig;
  /** Speaks as the agent. */
  client: ServerClient;
  store: AgentStore;
  intake: Pick<Intake, 'drain'>;
  attempts: Pick<Attempts, 'idle'>;
  stops: Pick<StoppableMachine, 'stop'>;
  /** The server knows us no more. */
  onLeft: () => void;
  signal: AbortSignal;
};

/** How long results of what was stopped may take to the server; what is open there then ends as lost. */
const REPORT_MS = 10_000;

/**
 * Leaves the server: what runs here is stopped if `force` allows it, the credential ends, and the next start is a first
 * one. @throws {AppError} when something runs here, or the server can't be told: then the agent goes on
 */
export async function leave(deps: LeaveDeps, force: boolean): Promise<Left> {
  const { config, store, intake, attempts, onLeft, signal } = deps;
  const open = await store.open();
  if (open.length > 0 && !force) {
    throw new AppError('status_not_allowed', `${countOf(open.length)} on this machine; force stops and reports them.`);
  }
  const wasDrained = store.drained;
  intake.drain(true);
  try {
    await Promise.allSettled(open.map((one) => stopOne(deps, one)));
    await Promise.race([attempts.idle(), delay(REPORT_MS, undefined, { signal }).catch(() => {})]);
    await signOff(deps);
    // A request for work was under way: of what it brought nobody would hear any more.
    const known = new Set(open.map(({ task }) => task.attemptId));
    const late = (await store.open()).filter(({ task }) => !known.has(task.attemptId));
    await Promise.allSettled(late.map((one) => stopOne(deps, one)));
    const self = readSelf(config);
    writeSelf(config, { ...self, identity: null });
    onLeft();
    return { agent_id: self.identity?.agentId ?? null, stopped: open.length + late.length };
  } finally {
    intake.drain(wasDrained);
  }
}

const countOf = (attempts: number): string => (attempts === 1 ? 'An attempt is open' : `${attempts} attempts are open`);

async function stopOne({ config, stops, signal }: LeaveDeps, { task, result }: OpenAttempt) {
  const { killGraceSeconds } = config;
  if (result === null) await stops.stop({ attemptId: task.attemptId, killGraceSeconds }, signal);
}

async function signOff({ client, signal }: LeaveDeps): Promise<void> {
  try {
    await client({ method: 'DELETE', path: '/api/v1/agents/me', schema: null }, signal);
  } catch (error) {
    // Somebody deleted this agent there: it has left.
    if (error instanceof ServerRefusal && (error.status === 401 || error.status === 404)) return;
    if (!(error instanceof ServerAway || error instanceof ServerRefusal)) throw error;
    throw new AppError('unavailable', `The server can't be told: ${error.message}`, { cause: error });
  }
}
