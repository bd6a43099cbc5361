import { HOST_REASONS, PARKING_REASONS } from '../domain/agent.ts';
import type { KeptLimits } from '../executor/kept-limits.ts';
import type { Machine } from '../executor/machine.ts';
import { MachineError } from '../executor/machine.ts';
import type { MachineStore } from '../executor/run-attempt.ts';
import type { Deps } from '../usecases/deps.ts';
import { noteHostState } from '../usecases/hosts/host-state.ts';
import { createDuplicates } from './duplicate-stores.ts';
import { every, type Loop } from './every.ts';
import { createLimitFinder } from './find-limits.ts';
import { createTrier } from './try-isolated.ts';

/** A host of the configuration file, as it is driven. */
export type Host = {
  id: string;
  lostAfterSeconds: number;
  machine: Machine;
  /** Runs a command of ours there; answers in a sentence what is wrong with the host if that can't be done. */
  tryOut(signal: AbortSignal): Promise<string | null>;
  keptLimits(signal: AbortSignal): Promise<KeptLimits>;
  close(): void;
};

export type Hosts = {
  /** Those that answered lately, in the order of the file. */
  reachable(): Host[];
  find(id: string): Host | null;
  /** The memory and boot that a host had when it answered last; null while it doesn't answer. */
  storeOf(id: string): MachineStore | null;
  stop(): Promise<void>;
};

type Log = Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;
export type HostsOptions = {
  deps: Deps;
  replicaId: string;
  hosts: readonly Host[];
  probeSeconds: number;
  onChange: () => void;
  log: Log;
};

/** The way to an attempt on a host: it is driven by the script that was to start it, whatever release that came with. */
export const machineOf = ({ machine }: Host, wrapper: string | null): Machine =>
  wrapper === null ? machine : machine.by(wrapper);

const PROBE_MS = 10_000;
/** An answer as old as this doesn't count any more, unless probes come so seldom that none can be younger. */
const ANSWER_MS = 15_000;
const PROBES = 1.5;

/** After a command that was tried on an isolated host failed, so many probes go by before the next. */
const PROBES_BETWEEN_TRIES = 3;

/** Why a host can't be used. */
type Failure = { code: (typeof HOST_REASONS)[number]; message: string };

/** Asks each host again and again whether it can take work: one failure and it is offline, one answer and it is back. */
export function createHosts({ deps, replicaId, hosts, probeSeconds, onChange, log }: HostsOptions): Hosts {
  const answeredAt = new Map<string, number>();
  const stores = new Map<string, MachineStore>();
  const codes = new Map<string, string>();
  const duplicates = createDuplicates(hosts);
  const answerMs = Math.max(ANSWER_MS, PROBES * probeSeconds * 1000);
  const pauseMs = PROBES_BETWEEN_TRIES * probeSeconds * 1000;
  const trier = createTrier({ deps, pauseMs, onBack: onChange, log });
  const limits = createLimitFinder({ deps, log });

  const note = async (host: Host, failure: Failure | null) => {
    const isBack = failure === null && !answeredAt.has(host.id);
    if (failure === null) {
      answeredAt.set(host.id, performance.now());
      codes.delete(host.id);
    } else {
      answeredAt.delete(host.id);
      stores.delete(host.id);
    }
    const news = await noteHostState(deps, host.id, failure ? { online: false, ...failure } : { online: true }, {
      replicaId,
      freshSeconds: answerMs / 1000,
    });
    if (failure && codes.get(host.id) !== failure.code) tell(log, host, failure);
    if (failure) codes.set(host.id, failure.code);
    if (news && !failure) log.info({ host: host.id }, 'host is online');
    if (news || isBack) onChange();
  };

  const probe = async (host: Host, signal: AbortSignal) => {
    const answer = await ping(host, signal);
    if (signal.aborted) return;
    if ('code' in answer) return note(host, answer);
    const { first, others } = duplicates.note(host, answer.storeId);
    const isBack = !answeredAt.has(host.id);
    stores.set(host.id, answer);
    await note(host, first === null ? null : duplicateOf(first));
    for (const other of others) if (answeredAt.has(other.id)) await note(other, duplicateOf(host));
    if (first !== null) return;
    limits.consider(host, isBack);
    await trier.consider(host);
  };

  const loops: Loop[] = hosts.map((host) =>
    every({
      name: `probe of host ${host.id}`,
      everyMs: probeSeconds * 1000,
      turn: (signal) => probe(host, signal),
      log,
    }),
  );
  return {
    reachable: () => hosts.filter(({ id }) => performance.now() - (answeredAt.get(id) ?? -answerMs) < answerMs),
    find: (id) => hosts.find((host) => host.id === id) ?? null,
    storeOf: (id) => stores.get(id) ?? null,
    async stop() {
      await Promise.all([trier.stop(), limits.stop(), ...loops.map((loop) => loop.stop())]);
      for (const host of hosts) host.close();
    },
  };
}

/** That another machine may answer in the place of a host is for a person to look at. */
function tell(log: Log, { id }: Host, { code, message }: Failure): void {
  const fields = { host: id, kind: code, cause: message };
  if (PARKING_REASONS.includes(code)) log.error(fields, 'host is parked');
  else log.warn(fields, 'host is offline');
}

const duplicateOf = ({ id }: Host): Failure => ({
  code: 'duplicate_store',
  message: `it is the same machine and user as the host ${id}: their control folders are one`,
});

async function ping(host: Host, signal: AbortSignal): Promise<MachineStore | Failure> {
  try {
    return await host.machine.ping(AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]));
  } catch (error) {
    // What isn't a reason of a host is a mistake in our own key.
    const code = HOST_REASONS.find((reason) => error instanceof MachineError && reason === error.kind) ?? 'auth';
    if (error instanceof MachineError) return { code, message: error.message };
    return { code: 'unreachable', message: `the host did not answer within ${PROBE_MS / 1000} s` };
  }
}
