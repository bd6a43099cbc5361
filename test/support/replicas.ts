import type { Settings } from '../../src/domain/settings.ts';
import { type OpenDatabase, openDatabase } from '../../src/store/pool.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import type { TestDatabase } from './database.ts';
import { createTestDeps } from './deps.ts';

export type Replicas = { one: Deps; two: Deps; stop(): Promise<void> };

/** Two servers on one database, as far as use cases see them: with pools, wake-ups and memories of their own. */
export async function openReplicas(database: TestDatabase, settings: Partial<Settings> = {}): Promise<Replicas> {
  const opened: OpenDatabase[] = [];
  const open = (byKeys: boolean) => {
    const one = openDatabase({ connectionString: database.connectionString, max: 6, byKeys });
    opened.push(one);
    return one;
  };
  const replica = async () => ({
    ...(await createTestDeps({ ...database, ...open(false) }, settings)),
    hot: open(true).db,
  });
  const [one, two] = [await replica(), await replica()];
  return {
    one,
    two,
    async stop() {
      await Promise.all([one.stop(), two.stop()]);
      await Promise.all(opened.map(({ close }) => close()));
    },
  };
}
