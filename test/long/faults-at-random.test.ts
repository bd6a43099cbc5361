import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startDatabaseProxy } from '../support/database-proxy.ts';
import { startLoad } from '../support/load.ts';
import { expectOnlyRefused } from '../support/load-check.ts';
import { startOwnPostgres } from '../support/own-postgres.ts';
import { startReplica } from '../support/replica.ts';
import { waitFor } from '../support/wait-for.ts';

const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1_000_000);
const ROUNDS = Number(process.env.FAULTS_ROUNDS ?? 6);
const FROZEN_MS = 12_000;

test('whatever fails, one after the other, nothing is lost and nothing is done twice', async () => {
  const postgres = await startOwnPostgres();
  const way = await startDatabaseProxy(postgres.url);
  const start = (listen?: string) => startReplica({ databaseUrl: way.url, ...(listen ? { listen } : {}) });
  const replicas = [await start(), await start()];
  const load = await startLoad({ urls: replicas.map(({ url }) => url) });
  await load.goesOn();
  const replica = (n: number) => replicas[n % 2] as (typeof replicas)[number];
  const faults: Record<string, (n: number) => Promise<void>> = {
    async replicaKilled(n) {
      const { url, signal, exited } = replica(n);
      signal('SIGKILL');
      await exited;
      await load.goesOn();
      replicas[n % 2] = await start(new URL(url).host);
    },
    async replicaStopped(n) {
      const { url, signal, exited } = replica(n);
      signal('SIGTERM');
      expect(await exited).toEqual({ code: 0, signal: null });
      await load.goesOn();
      replicas[n % 2] = await start(new URL(url).host);
    },
    async replicaFrozen(n) {
      replica(n).signal('SIGSTOP');
      await load.goesOn();
      replica(n).signal('SIGCONT');
    },
    async postgresKilled() {
      const refused = load.client.refusals.length;
      await postgres.kill();
      await waitFor(() => load.client.refusals.length > refused);
      await postgres.start();
    },
    async postgresFrozen() {
      postgres.freeze();
      await delay(FROZEN_MS); // that nothing happens is the fault itself
      postgres.thaw();
    },
    async sessionsEnded() {
      await postgres.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      );
    },
    async answerLost() {
      const loss = way.loseAnswer(/insert into "?events"?/);
      await waitFor(() => loss.lost() === 1);
    },
    async hintsSilent() {
      way.silence('taskejo wakeups');
    },
  };
  const [names = []] = fc.sample(
    fc.array(fc.constantFrom(...Object.keys(faults)), { minLength: ROUNDS, maxLength: ROUNDS }),
    { seed: SEED, numRuns: 1 },
  );
  const done: string[] = [];
  try {
    for (const [n, name] of names.entries()) {
      done.push(name);
      await faults[name]?.(n);
      await load.isBack();
    }
    await load.finish();
    const takenAgain = done.includes('replicaFrozen');
    await expectOnlyRefused(postgres.url, load, { unanswered: true, takenAgain });
  } catch (error) {
    throw new Error(`seed ${SEED}, after ${done.join(', ')}`, { cause: error });
  }
}, 600_000);
