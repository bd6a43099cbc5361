import type { Kysely, Transaction } from 'kysely';
import type { Breach } from '../../domain/doctor/breach.ts';
import { examineTask } from '../../domain/doctor/examine-task.ts';
import type { TaskFacts } from '../../domain/doctor/facts.ts';
import { checkLog } from '../../domain/doctor/log.ts';
import { actualLogs, logsOf } from '../../store/doctor/logs.ts';
import * as tasks from '../../store/doctor/tasks.ts';
import type { Database } from '../../store/schema.ts';
import { examineWhole } from './examine-whole.ts';

type Trx = Transaction<Database>;
type Db = Kysely<Database>;

export type ExamineOptions = {
  /** For so long sweeps may leave what is due; longer where much is due at once. */
  patienceSeconds: number;
  tell: (breach: Breach) => void;
};
export type Examined = { tasks: number; breaches: number };

/** A batch ends with so many tasks, or with so many events of them. */
const BATCH = { tasks: 500, events: 10_000 };

/**
 * Walks all tasks and what belongs to them, and tells every breach of an invariant. Each batch is read in one snapshot
 * of its own: what was changed together is seen together, so a server that runs meanwhile is no breach, and no long
 * snapshot keeps the database from cleaning up.
 */
export async function examine(db: Db, options: ExamineOptions): Promise<Examined> {
  const examined = { tasks: 0, breaches: 0 };
  const tell = (one: Breach) => {
    examined.breaches += 1;
    options.tell(one);
  };
  for (let after: string | null = null; ; ) {
    const ids: string[] = await inSnapshot(db, async (trx) => {
      const batch = await tasks.tasksToExamine(trx, after, BATCH);
      await examineBatch(trx, batch, { ...options, tell });
      return batch.map(({ task }) => task.id);
    });
    if (ids.length === 0) break;
    examined.tasks += ids.length;
    after = ids.at(-1) ?? null;
  }
  await examineWhole((look) => inSnapshot(db, look), tell);
  return examined;
}

/** The same for one task; null where there is none of this id. */
export async function examineOne(db: Db, taskId: string, options: ExamineOptions): Promise<Examined | null> {
  let breaches = 0;
  const tell = (one: Breach) => {
    breaches += 1;
    options.tell(one);
  };
  return inSnapshot(db, async (trx) => {
    const task = await tasks.taskToExamine(trx, taskId);
    if (task === null) return null;
    await examineBatch(trx, [task], { ...options, tell });
    return { tasks: 1, breaches };
  });
}

const inSnapshot = <T>(db: Db, look: (trx: Trx) => Promise<T>): Promise<T> =>
  db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(look);

async function examineBatch(
  trx: Trx,
  batch: readonly tasks.TaskToExamine[],
  { patienceSeconds, tell }: ExamineOptions,
): Promise<void> {
  for (const facts of await factsOf(trx, batch, patienceSeconds)) examineTask(facts).forEach(tell);
  const logs = await logsOf(
    trx,
    batch.map(({ task }) => task.id),
  );
  for await (const { log, actual } of actualLogs(trx, logs)) checkLog(log.taskId, { ...log, actual }).forEach(tell);
}

async function factsOf(trx: Trx, batch: readonly tasks.TaskToExamine[], patienceSeconds: number): Promise<TaskFacts[]> {
  const ids = batch.map(({ task }) => task.id);
  const attempts = await tasks.attemptsOf(trx, ids);
  const wanted = batch.flatMap(({ task }) => task.concurrencyKey ?? []);
  const named = batch.flatMap(({ task }) => [task.namedAgentId ?? [], task.assignedAgentId ?? []].flat());
  const [ofAttempts, ofEvents, ofDependencies] = [
    byTask(attempts),
    byTask(await tasks.eventsOf(trx, ids)),
    byTask(await tasks.dependenciesOf(trx, ids)),
  ];
  const keys = await tasks.keysOf(trx, ids, wanted);
  const agents = await tasks.agentsOf(trx, [...new Set([...named, ...attempts.map(({ agentId }) => agentId)])]);
  const overdueBy = await tasks.overdueBy(trx, patienceSeconds);
  return batch.map(({ task, lane }) => ({
    task,
    lane,
    attempts: ofAttempts.get(task.id) ?? [],
    events: ofEvents.get(task.id) ?? [],
    dependencies: ofDependencies.get(task.id) ?? [],
    keysHeld: keys.filter(({ taskId }) => taskId === task.id).map(({ key }) => key),
    keyHolder: keys.find(({ key }) => key === task.concurrencyKey)?.taskId ?? null,
    agents,
    overdueBy,
  }));
}

const byTask = <T extends { taskId: string }>(rows: readonly T[]): Map<string, T[]> =>
  Map.groupBy(rows, ({ taskId }) => taskId);
