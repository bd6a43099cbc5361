import type { ProcessIdentity } from '../../domain/process.ts';
import { type ControlPlane, ControlPlaneError } from '../control-plane.ts';
import type { Log } from '../log.ts';
import type { Orders } from './orders.ts';
import type { PlaneLink } from './plane-link.ts';

export type Announcer = {
  /** Says once which process the command became; beside everything else, so that nothing waits for it. */
  announce(process: ProcessIdentity): void;
  /** Resolves when what was announced is said. */
  settled(): Promise<void>;
};

export type AnnouncerDeps = {
  plane: ControlPlane;
  link: PlaneLink;
  orders: Orders;
  attemptId: string;
  /** To be remembered before it is said. */
  onProcess: (process: ProcessIdentity) => Promise<void>;
  log: Log;
};

export function createAnnouncer(deps: AnnouncerDeps, signal: AbortSignal): Announcer {
  const { plane, link, orders, attemptId, onProcess, log } = deps;
  let said: Promise<void> | null = null;
  const say = async (process: ProcessIdentity) => {
    await onProcess(process);
    await link(signal, () => plane.start(attemptId, process, signal));
  };
  return {
    announce(process) {
      said ??= say(process).catch((error: unknown) => {
        if (signal.aborted) return;
        if (error instanceof ControlPlaneError && error.kind === 'stop_asked') orders.stop('stop asked');
        else log.error({ attempt_id: attemptId, cause: String(error) }, 'the process could not be reported');
      });
    },
    settled: async () => said ?? undefined,
  };
}
