import type { Transaction } from 'kysely';
import type { HostDefinition } from '../../domain/agent.ts';
import { AppError } from '../../domain/errors.ts';
import { lockHosts, markAgentDeleted, upsertHost } from '../../store/agents.ts';
import { violates } from '../../store/database-errors.ts';
import { hostsInNoFile, keepReplica, type Replica } from '../../store/replicas.ts';
import type { Database } from '../../store/schema.ts';
import { unnameTasks } from '../attempt/unname-tasks.ts';
import type { Deps } from '../deps.ts';
import { OUTAGE_BEATS } from './host-attempts.ts';

type Trx = Transaction<Database>;

/** A replica of which nothing was heard for so long has no say any more. */
const REPLICA_SECONDS = 60;
const inNoFile = (deps: Pick<Deps, 'settings'>, db: Deps['db']): Promise<string[]> =>
  hostsInNoFile(db, {
    outageSeconds: OUTAGE_BEATS * deps.settings.leases.sweepSeconds,
    patienceSeconds: REPLICA_SECONDS,
  });

/**
 * Brings the stored hosts to those of the configuration. One that is gone from it is deleted, unless another replica
 * has it in its file: while a change of the file goes from replica to replica, both files hold. That the given replica is
 * there, with these hosts, is written with it: both or neither. Throws `name_taken`, with one sentence for the operator,
 * if an agent that pulls has a host's name.
 */
export async function syncHosts(
  deps: Deps,
  hosts: readonly HostDefinition[],
  replica: Replica | null = null,
): Promise<void> {
  // Every replica goes through them in the same order, so that two starts can't wait for each other.
  const inOrder = hosts.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const ids = inOrder.map(({ id }) => id);
  await deps.db.transaction().execute(async (trx) => {
    await lockHosts(trx);
    for (const host of inOrder) await addHost(trx, host);
    await dropInNoFile(deps, trx, ids);
    if (replica !== null) await keepReplica(trx, replica, ids);
  });
  deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
}

/** Deletes the hosts that no replica has in its file. */
export async function dropHosts(deps: Deps): Promise<void> {
  if ((await inNoFile(deps, deps.db)).length === 0) return;
  await deps.db.transaction().execute(async (trx) => {
    await lockHosts(trx);
    await dropInNoFile(deps, trx, []);
  });
  deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
}

/** Their rows are locked. Pending tasks that name one of them name nobody then. */
async function dropInNoFile(deps: Deps, trx: Trx, kept: readonly string[]): Promise<void> {
  for (const id of await inNoFile(deps, trx)) {
    if (kept.includes(id)) continue;
    await markAgentDeleted(trx, id);
    await unnameTasks(trx, id);
  }
}

async function addHost(trx: Trx, host: HostDefinition): Promise<void> {
  try {
    if (await upsertHost(trx, host)) return;
  } catch (error) {
    if (!violates(error, 'agents_name')) throw error;
  }
  throw new AppError(
    'name_taken',
    `The host ${host.id} cannot be used: an agent that pulls has this name. Rename the host, or delete that agent.`,
  );
}
