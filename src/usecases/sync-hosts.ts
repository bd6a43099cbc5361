import type { Transaction } from 'kysely';
import type { HostDefinition } from '../domain/agent.ts';
import { AppError } from '../domain/errors.ts';
import { deleteOtherHosts, lockHosts, upsertHost } from '../store/agents.ts';
import { violates } from '../store/database-errors.ts';
import type { Database } from '../store/schema.ts';
import type { Deps } from './deps.ts';
import { unnameTasks } from './unname-tasks.ts';

/**
 * Makes the stored hosts those of the configuration. A host that is gone from it is deleted, and pending tasks that
 * name it name nobody. Throws `name_taken`, with one sentence for the operator, if an agent that pulls has a host's
 * name.
 */
export async function syncHosts(deps: Deps, hosts: readonly HostDefinition[]): Promise<void> {
  // Every replica goes through them in the same order, so that two starts can't wait for each other.
  const inOrder = hosts.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  await deps.db.transaction().execute(async (trx) => {
    await lockHosts(trx);
    for (const host of inOrder) await addHost(trx, host);
    const gone = await deleteOtherHosts(
      trx,
      inOrder.map((host) => host.id),
    );
    for (const id of gone) await unnameTasks(trx, id);
  });
  deps.wakeups.emit({ kind: 'agents' }, { kind: 'ready' });
}

async function addHost(trx: Transaction<Database>, host: HostDefinition): Promise<void> {
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
