import { setTimeout as delay } from 'node:timers/promises';
import { LIMIT_NAMES, type Limits, type Sandbox } from '../../domain/task.ts';
import { LIMITS } from '../../executor/kept-limits.ts';
import type { Log } from '../../executor/log.ts';
import type { Environment } from '../../yaml-file.ts';
import type { AgentConfig } from '../config.ts';
import { AgentError } from '../exit.ts';
import type { Registration } from '../identity.ts';
import { findLimits, type KeptLimits, namesOfKept, noLimits } from './limits.ts';
import { PATIENCE_MS, Unsaid } from './probe.ts';
import { type Missing, namesOf, type Sandboxes, sandboxesOf, tryBubblewrap, whyMissing } from './sandboxes.ts';
import { tryContainer } from './try-container.ts';

/** What the machine can do, as the server is told; it gives out no task that asks for more. */
export type Abilities = { limits: string[]; sandboxes: string[] };

export type Probing = {
  config: AgentConfig;
  env: Environment;
  /** What the server was told at an earlier start. */
  told: Registration | null;
  log: Log;
  /** How long the machine may take to answer. */
  patienceMs?: number;
};

/**
 * Tries what the machine can do. One that is too busy to say has what it had at the last start; where that isn't known
 * it is tried again. Null when the signal came first. @throws {AgentError} when it is less than the settings ask for
 */
export async function findAbilities(
  probing: Probing,
  signal: AbortSignal,
): Promise<{ abilities: Abilities; sandboxes: Sandboxes } | null> {
  const { config } = probing;
  const inContainers = config.sandbox === 'container';
  const [bubblewrap, container, kept] = await Promise.all([
    findBubblewrap(probing, signal),
    findContainer(probing, signal),
    inContainers ? null : findKept(probing, signal),
  ]);
  if (signal.aborted) return null;
  const sandboxes = { bubblewrap, container };
  const reason = whyMissing(sandboxes, config.sandbox);
  if (reason !== null) throw new AgentError(`the sandbox ${config.sandbox} is not to be had here: ${reason}`);
  const limits = 'kept' in container && inContainers ? container.kept : (kept ?? noLimits(''));
  refuseUnkept(config.limits, limits);
  return { abilities: { limits: namesOfKept(limits), sandboxes: namesOf(sandboxes) }, sandboxes };
}

function refuseUnkept(asked: Limits, kept: KeptLimits): void {
  for (const [limit, reason] of Object.entries(kept) as [keyof KeptLimits, string | null][]) {
    if (asked[limit] === null || reason === null) continue;
    throw new AgentError(`limits.${LIMIT_NAMES[limit]} is set, and not to be had here: ${reason}`);
  }
}

function findBubblewrap(probing: Probing, signal: AbortSignal): Promise<Sandboxes['bubblewrap']> {
  const { bubblewrap } = sandboxesOf(probing.config, probing.env);
  if ('missing' in bubblewrap) return Promise.resolve(bubblewrap);
  const before = had(probing, 'bubblewrap') ? () => bubblewrap : null;
  const needed = probing.config.sandbox === 'bubblewrap';
  return untilSaid(
    probing,
    { ask: () => tryBubblewrap(bubblewrap, patienceOf(probing)), before, needed, without },
    signal,
  );
}

function findContainer(probing: Probing, signal: AbortSignal): Promise<Sandboxes['container']> {
  const { config } = probing;
  const { container } = sandboxesOf(config, probing.env);
  if ('missing' in container) return Promise.resolve(container);
  const inContainers = config.sandbox === 'container';
  // The limits that the server was told of may be the bare machine's: where all runs in containers one is waited for.
  const asBefore = (reason: string) => ({ ...container, kept: noLimits(reason) });
  const before = had(probing, 'container') && !inContainers ? asBefore : null;
  const ask = () => tryContainer(container, config.workDir, patienceOf(probing));
  return untilSaid(probing, { ask, before, needed: inContainers, without }, signal);
}

function findKept(probing: Probing, signal: AbortSignal): Promise<KeptLimits> {
  const { config, told } = probing;
  const needed = LIMITS.some((limit) => isAsked(probing, limit));
  // Told of none is also who didn't say then.
  const known = (told?.limits ?? []).length > 0 && keptAllAsked(probing);
  const before = known ? (reason: string) => keptBefore(told, reason) : null;
  return untilSaid(
    probing,
    { ask: () => findLimits(config.workDir, patienceOf(probing)), before, needed, without: noLimits },
    signal,
  );
}

const patienceOf = ({ patienceMs = PATIENCE_MS }: Probing): number => patienceMs;

const without = (reason: string): Missing => ({ missing: reason });

const had = ({ told }: Probing, sandbox: Sandbox): boolean => told?.sandboxes?.includes(sandbox) === true;

const isAsked = ({ config }: Probing, limit: keyof KeptLimits): boolean => config.limits[limit] !== null;

/** Without one of these the agent would not start: a machine that doesn't say is not one that hasn't them. */
const keptAllAsked = (probing: Probing): boolean =>
  LIMITS.every((limit) => !isAsked(probing, limit) || probing.told?.limits?.includes(LIMIT_NAMES[limit]) === true);

/** Those that the server was told of; of the others the reason is that nobody says. */
const keptBefore = (told: Registration | null, reason: string): KeptLimits => {
  const kept = noLimits(reason);
  for (const limit of LIMITS) if (told?.limits?.includes(LIMIT_NAMES[limit]) === true) kept[limit] = null;
  return kept;
};

type Probe<T> = {
  ask: () => Promise<T>;
  before: ((reason: string) => T) | null;
  /** The agent can't be without. */
  needed: boolean;
  without: (reason: string) => T;
};

const TRIES = 3;
const BETWEEN_MS = 1_000;

async function untilSaid<T>({ log }: Probing, probe: Probe<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await probe.ask();
    } catch (error) {
      if (!(error instanceof Unsaid)) throw error;
      const cause = error.message;
      if (probe.before !== null) {
        log.warn({ cause }, 'the machine did not say what it can do: taken to be as at the last start');
        return probe.before(cause);
      }
      if (signal.aborted || (tries >= TRIES && !probe.needed)) {
        log.warn({ cause }, 'the machine did not say what it can do: gone on without until the next start');
        return probe.without(cause);
      }
      log.warn({ cause }, 'the machine did not say what it can do: asked again');
      await delay(BETWEEN_MS, undefined, { signal }).catch(() => {});
    }
  }
}
