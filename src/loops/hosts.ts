import type { Machine, MachineErrorKind } from '../executor/machine.ts';
import { MachineError } from '../executor/machine.ts';
import type { Deps } from '../usecases/deps.ts';
import { noteHostState } from '../usecases/host-state.ts';
import { every, type Loop } from './every.ts';

/** A host of the configuration file, as it is driven. */
export type Host = { id: string; lostAfterSeconds: number; machine: Machine; close(): void };

export type Hosts = {
  /** Those that answered lately, in the order of the file. */
  reachable(): Host[];
  find(id: string): Host | null;
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
/** An answer as old as this doesn't count any more. */
const ANSWER_MS = 15_000;
/** A host that doesn't let us in, or shows another key, is asked this seldom. */
const REFUSED_PROBE_MS = 60_000;
const REFUSALS: readonly MachineErrorKind[] = ['auth', 'host_key'];

/** Asks each host again and again whether it can take work: one failure and it is offline, one answer and it is back. */
export function createHosts({ deps, replicaId, hosts, probeSeconds, onChange, log }: HostsOptions): Hosts {
  const answeredAt = new Map<string, number>();
  const refusedAt = new Map<string, number>();

  const note = async (host: Host, failure: MachineError | null) => {
    const isBack = failure === null && !answeredAt.has(host.id);
    if (failure === null) {
      answeredAt.set(host.id, performance.now());
      refusedAt.delete(host.id);
    } else {
      answeredAt.delete(host.id);
      if (REFUSALS.includes(failure.kind)) refusedAt.set(host.id, performance.now());
    }
    const state = failure ? ({ online: false, code: failure.kind, message: failure.message } as const) : null;
    const news = await noteHostState(deps, host.id, state ?? { online: true }, replicaId);
    if (news && failure) log.warn({ host: host.id, kind: failure.kind, cause: failure.message }, 'host is offline');
    if (news && !failure) log.info({ host: host.id }, 'host is online');
    if (news || isBack) onChange();
  };

  const probe = async (host: Host, signal: AbortSignal) => {
    const refused = refusedAt.get(host.id);
    if (refused !== undefined && performance.now() - refused < REFUSED_PROBE_MS) return;
    const failure = await pingFailure(host, signal);
    if (!signal.aborted) await note(host, failure);
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
    reachable: () => hosts.filter(({ id }) => performance.now() - (answeredAt.get(id) ?? -ANSWER_MS) < ANSWER_MS),
    find: (id) => hosts.find((host) => host.id === id) ?? null,
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
      for (const host of hosts) host.close();
    },
  };
}

async function pingFailure(host: Host, signal: AbortSignal): Promise<MachineError | null> {
  try {
    await host.machine.ping(AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]));
    return null;
  } catch (error) {
    if (error instanceof MachineError) return error;
    return new MachineError('unreachable', `the host did not answer within ${PROBE_MS / 1000} s`, { cause: error });
  }
}
