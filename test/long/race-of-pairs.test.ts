import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TaskEvent } from '../../src/domain/event.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { sweep } from '../../src/usecases/upkeep/sweep.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { testSettings } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import { deadlocks } from '../support/locks.ts';
import { ACTS, type Act, makeRow, outcomeOf, pairs, type Row, tidy } from '../support/pairs.ts';
import { openReplicas, type Replicas } from '../support/replicas.ts';

/** A minute of them by `RACE_ROUNDS=30`. */
const ROUNDS = Number(process.env.RACE_ROUNDS ?? 4);
const ROUNDS_OF_THE_UNFIT = 2;
let database: TestDatabase;
let replicas: Replicas;
const won = new Map<string, number>();

beforeAll(async () => {
  database = await createTestDatabase({ max: 2 });
  // Nothing lapses by itself, and the pause between two sweeps is no outage.
  replicas = await openReplicas(database, {
    leases: { seconds: 3600, renewSeconds: 1200, sweepSeconds: 1200 },
    preemption: { ...testSettings.preemption, minRunSeconds: 0 },
  });
  await sweep(replicas.one);
});
afterAll(async () => {
  await replicas.stop();
  expect(await deadlocks(database.db)).toBe(0);
});

it.each(pairs().map((pair) => [pair.first.name, pair.second.name, pair.state, pair] as const))(
  '%s and %s of a task that is %s at once: each does all of it or nothing, and is told which',
  async (_, __, state, { first, second, fit }) => {
    for (let round = 0; round < (fit ? ROUNDS : ROUNDS_OF_THE_UNFIT); round++) {
      const row = await makeRow(replicas.one, `label-${round}`, state);
      for (const act of new Set([first, second])) await act.prepare?.(replicas.one, row);
      const before = (await chain(row)).length;
      const outcomes = await race([first, second], row, round);
      judge([first, second], outcomes, (await chain(row)).slice(before));
      await tidy(replicas.one, row);
    }
  },
);

it('each act has won, and after all these races everything is as it must be', async () => {
  // A renewal leaves nothing in the history.
  expect(ACTS.filter(({ name }) => (won.get(name) ?? 0) === 0).map(({ name }) => name)).toEqual(['renew']);
  await expectHealthy(database.db);
});

/** Both at once, on the two replicas in turn, now one and now the other with a head start. */
async function race(acts: readonly [Act, Act], row: Row, round: number): Promise<(boolean | null)[]> {
  const replicaOf = (side: number): Deps => ((side + round) % 2 === 0 ? replicas.one : replicas.two);
  const answers: Promise<boolean | null>[] = [];
  const first = Math.floor(round / 2) % 2;
  for (const side of [first, 1 - first]) {
    const act = acts[side] as Act;
    answers[side] = outcomeOf(act, act.run(replicaOf(side), row, side));
    for (let turn = 0; turn < round % 7; turn++) await new Promise(setImmediate);
  }
  return Promise.all(answers);
}

/** The history has what was said to be done, and nothing else. */
function judge(acts: readonly [Act, Act], outcomes: readonly (boolean | null)[], told: readonly TaskEvent[]): void {
  const story = JSON.stringify({ outcomes, told: told.map(({ type, actor, data }) => ({ type, actor, data })) });
  const unexplained = told.filter((event) => event.type !== 'late_result' && !acts.some(({ did }) => did(event)));
  expect(unexplained, story).toEqual([]);
  for (const act of new Set(acts)) {
    const count = told.filter(act.did).length;
    won.set(act.name, (won.get(act.name) ?? 0) + count);
    const said = outcomes.filter((_, side) => acts[side] === act);
    if (said.includes(null)) continue;
    const times = said.filter((one) => one === true).length;
    expect(count, `${act.name}: ${story}`).toBe(act.idempotent ? Math.min(1, times) : times);
  }
}

async function chain({ id }: Row): Promise<TaskEvent[]> {
  const rows = await database.db.selectFrom('events').select('text').where('task_id', '=', id).orderBy('n').execute();
  return rows.map(({ text }) => JSON.parse(text) as TaskEvent);
}
