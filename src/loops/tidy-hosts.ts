import type { Deps } from '../usecases/deps.ts';
import { every, type Loop } from './every.ts';
import type { Hosts } from './hosts.ts';

type Log = Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;

const EVERY_MS = 10 * 60_000;
const ANSWER_MS = 60_000;

/** Has each host in reach remove what it need not keep any more. Several replicas may ask at once. */
export function createTidyHostsLoop(deps: Deps, hosts: Pick<Hosts, 'reachable'>, log: Log): Loop {
  return every({
    name: 'cleaning of hosts',
    everyMs: EVERY_MS,
    async turn(signal) {
      for (const { id, machine } of hosts.reachable()) {
        const patience = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
        await machine.tidy(deps.settings.execution.workspaceKeepSeconds, patience).catch((err: unknown) => {
          if (!signal.aborted) log.warn({ err, host: id }, 'old workspaces not removed from a host');
        });
      }
    },
    log,
  });
}
