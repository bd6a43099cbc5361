import type { Transaction } from 'kysely';
import { type Breach, type BreachCode, breach } from '../../domain/doctor/breach.ts';
import * as whole from '../../store/doctor/whole.ts';
import type { Database } from '../../store/schema.ts';
import { examineAudit } from './examine-audit.ts';

type Snapshots = <T>(look: (trx: Transaction<Database>) => Promise<T>) => Promise<T>;
type Tell = (breach: Breach) => void;

/** What no single task shows: rows without a task, deliveries, effects, idempotency keys, places. */
export async function examineWhole(inSnapshot: Snapshots, tell: Tell): Promise<void> {
  for (const table of whole.LEFT_OVER) {
    await hanging(
      inSnapshot,
      table,
      tell,
      'row_left_over',
      (id) => `a row of ${table.table} belongs to ${id}, which is gone`,
    );
  }
  await hanging(inSnapshot, whole.PRUNED, tell, 'pruned_left_over', (id) => `task ${id} was pruned and is there`);
  await hanging(
    inSnapshot,
    whole.EFFECTS,
    tell,
    'effect_hanging',
    (id) => `an effect belongs to task ${id}, which is gone`,
  );
  await hanging(
    inSnapshot,
    whole.IDEMPOTENCY,
    tell,
    'idempotency_hanging',
    (id) => `a key answers task ${id}, which is gone`,
  );
  await everyPage(inSnapshot, whole.oddDeliveriesAfter, (odd) => tell(oddDelivery(odd)));
  await examineAudit(inSnapshot, tell);
  for (const { agentId, capacity, taken } of await inSnapshot(whole.overfilledAgents)) {
    tell(breach('capacity_overfilled', null, `agent ${agentId} has ${capacity} places, ${taken} are taken`));
  }
}

const hanging = (
  inSnapshot: Snapshots,
  table: whole.Belonging,
  tell: Tell,
  code: BreachCode,
  detail: (id: string) => string,
): Promise<void> =>
  everyPage(
    inSnapshot,
    (trx, after) => whole.hangingAfter(trx, table, after),
    (id) => tell(breach(code, null, detail(id))),
  );

async function everyPage<T>(
  inSnapshot: Snapshots,
  read: (trx: Transaction<Database>, after: string | null) => Promise<whole.Page<T>>,
  each: (found: T) => void,
): Promise<void> {
  for (let after: string | null = null; ; ) {
    const page: whole.Page<T> = await inSnapshot((trx) => read(trx, after));
    page.found.forEach(each);
    if (page.last === null) return;
    after = page.last;
  }
}

function oddDelivery({ id, decision, reason, taskIds, missing }: whole.OddDelivery): Breach {
  if (reason === '') return breach('delivery_undecided', null, `delivery ${id} has no decision`);
  if (missing.length > 0)
    return breach('delivery_hanging', null, `delivery ${id} names task ${missing[0]}, which is gone`);
  return breach('delivery_hanging', null, `delivery ${id} is ${decision} and names ${taskIds.length} tasks`);
}
