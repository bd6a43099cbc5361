/** pg-boss as its documentation has it: fetch one, complete it, in process. */
import { setTimeout as delay } from 'node:timers/promises';
import { type PeerOptions, payload } from './graphile.ts';
import type { PeerDrained } from './graphile-workers.ts';

type Boss = {
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): void;
  createQueue(name: string): Promise<void>;
  insert(name: string, jobs: object[]): Promise<unknown>;
  fetch(name: string): Promise<{ id: string }[]>;
  complete(name: string, id: string): Promise<unknown>;
};
type PgBoss = { PgBoss: new (options: object) => Boss };

const CONCURRENT = 24;
const PER_CALL = 1000;
const QUEUE = 'bench';
const packageName: string = 'pg-boss';

async function withBoss<T>(url: string, use: (boss: Boss) => Promise<T>): Promise<T> {
  const { PgBoss } = (await import(packageName)) as PgBoss;
  const boss = new PgBoss({ connectionString: url });
  boss.on('error', (error) => console.error(`pg-boss: ${error.message}`));
  await boss.start();
  try {
    return await use(boss);
  } finally {
    await boss.stop({ graceful: false, close: true });
  }
}

export const bossSetUp = ({ url }: { url: string }): Promise<void> => withBoss(url, (boss) => boss.createQueue(QUEUE));

export const bossFill = ({ url, total }: PeerOptions): Promise<void> =>
  withBoss(url, async (boss) => {
    for (let left = total; left > 0; left -= PER_CALL) {
      const jobs = Array.from({ length: Math.min(left, PER_CALL) }, () => ({ data: payload }));
      await boss.insert(QUEUE, jobs);
    }
  });

export const bossDrain = ({ url, total }: PeerOptions): Promise<PeerDrained> =>
  withBoss(url, async (boss) => {
    const began = performance.now();
    const cpu = process.cpuUsage();
    let done = 0;
    const work = async () => {
      while (done < total) {
        const [job] = await boss.fetch(QUEUE);
        if (job === undefined) await delay(5);
        else await boss.complete(QUEUE, job.id).then(() => done++);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT }, work));
    const { user, system } = process.cpuUsage(cpu);
    return { seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6 };
  });
