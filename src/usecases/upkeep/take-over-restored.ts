import type { Transaction } from 'kysely';
import { AppError } from '../../domain/errors.ts';
import type { Actor } from '../../domain/task.ts';
import { countReplicas, freeAllKeys, openTasksAfter, raiseGeneration } from '../../store/restored.ts';
import type { Database } from '../../store/schema.ts';
import { changeTasks, lockTasks } from '../../store/task-changes.ts';
import { endHeld, lostResult } from '../attempt/end-attempt.ts';
import { lockOpen } from '../attempt/holding.ts';
import type { Deps } from '../deps.ts';
import { SERVER } from '../server-actor.ts';

type Trx = Transaction<Database>;
export type TakenOver = { generation: number; lost: number; waiting: number };

/** A replica says that it is there every ten seconds. */
const HEARD_SECONDS = 60;
const AT_ONCE = 500;
const BEFORE_ALL = '00000000-0000-0000-0000-000000000000';

/**
 * Of a database that was put back and is older than the world: begins a new generation, ends open attempts as lost, since
 * nobody knows what became of them, and has every task that isn't final wait for a person, since it may have run since.
 * All of it or nothing. Throws `unavailable` while a server uses the database.
 */
export async function takeOverRestored(
  deps: Pick<Deps, 'db' | 'settings' | 'random'>,
  actor: Actor,
): Promise<TakenOver> {
  return deps.db.transaction().execute(async (trx) => {
    // Whoever starts now waits for this row, and then sees what was done.
    const generation = await raiseGeneration(trx);
    if ((await countReplicas(trx, HEARD_SECONDS)) > 0) {
      throw new AppError(
        'unavailable',
        `A server uses this database, or did until a moment ago: stop it, wait ${HEARD_SECONDS} s.`,
      );
    }
    const lost = await forEachOpen(trx, (batch) => loseAll(trx, deps, batch));
    const waiting = await forEachOpen(trx, (batch) => askForApproval(trx, batch, actor));
    await freeAllKeys(trx);
    return { generation, lost, waiting };
  });
}

type OpenTask = { id: string; attemptId: string | null };

async function forEachOpen(trx: Trx, act: (batch: readonly OpenTask[]) => Promise<number>): Promise<number> {
  let [after, count] = [BEFORE_ALL, 0];
  for (;;) {
    const batch = await openTasksAfter(trx, after, AT_ONCE);
    count += await act(batch);
    if (batch.length < AT_ONCE) return count;
    after = batch.at(-1)?.id ?? after;
  }
}

async function loseAll(trx: Trx, deps: Pick<Deps, 'settings' | 'random'>, tasks: readonly OpenTask[]): Promise<number> {
  const ids = tasks.flatMap(({ attemptId }) => attemptId ?? []);
  for (const attemptId of ids) {
    const held = await lockOpen(trx, attemptId);
    if (held === null) continue;
    // On a host it may run, whatever this database knows of its start: the host is asked.
    const settled = held.attempt.execution_mode === 'http_pull';
    await endHeld(trx, deps, held, lostResult('the database was put back from a backup that knows no more of it'), {
      actor: SERVER,
      saidHash: null,
      settled,
    });
  }
  return ids.length;
}

async function askForApproval(trx: Trx, batch: readonly OpenTask[], actor: Actor): Promise<number> {
  const tasks = await lockTasks(
    trx,
    batch.map(({ id }) => id),
  );
  const data = { requires_approval: { from: null, to: true }, reason: 'restored' };
  const patch = { requires_approval: true, approved_at: null, ready: false, ready_at: null };
  await changeTasks(trx, tasks, patch, { type: 'changed', actor, data });
  return tasks.length;
}
