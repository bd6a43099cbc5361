import type { Transaction } from 'kysely';
import { brokenAct, type ExaminedAct } from '../../domain/doctor/audit.ts';
import { type Breach, breach } from '../../domain/doctor/breach.ts';
import { actsAfter } from '../../store/audit.ts';
import type { Database } from '../../store/schema.ts';

type Snapshots = <T>(look: (trx: Transaction<Database>) => Promise<T>) => Promise<T>;

const BATCH = 1_000;

/** Every chain of the audit. Only the first break of a day is told: what comes after it can't be trusted. */
export async function examineAudit(inSnapshot: Snapshots, tell: (breach: Breach) => void): Promise<void> {
  let before: ExaminedAct | null = null;
  let brokenDay = '';
  for (;;) {
    const after: ExaminedAct | null = before;
    const acts: ExaminedAct[] = await inSnapshot((trx) => actsAfter(trx, after, BATCH));
    for (const act of acts) {
      const detail = act.day === brokenDay ? null : brokenAct(before, act);
      if (detail !== null) {
        brokenDay = act.day;
        tell(breach('audit_broken', null, detail));
      }
      before = act;
    }
    if (acts.length < BATCH) return;
  }
}
