import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockAgents } from '../../src/store/claims.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { getAgent } from '../../src/usecases/read-agents.ts';
import { syncHosts } from '../../src/usecases/sync-hosts.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { somebodyWaits } from '../support/locks.ts';
import { waitFor } from '../support/wait-for.ts';

let deps: Deps & { stop(): Promise<void> };
const host = (id: string, capacity = 1) => ({ id, labels: [], capacity });

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 4 }));
});
afterEach(async () => {
  await deps.stop();
  await deps.db.destroy();
});

it('a server that starts with another file and one that dispatches do not wait for each other in a circle', async () => {
  await syncHosts(deps, [host('a'), host('b')]);
  const syncing = await deps.db.transaction().execute(async (trx) => {
    await lockAgents(trx, ['a']);
    const promise = syncHosts(deps, [host('b', 2), host('c')]);
    await waitFor(() => somebodyWaits(deps.db));
    await lockAgents(trx, ['b']);
    return { promise };
  });
  await syncing.promise;
  expect(await getAgent(deps, 'a')).toBeNull();
  expect(await getAgent(deps, 'b')).toMatchObject({ capacity: 2 });
  expect(await getAgent(deps, 'c')).toMatchObject({ capacity: 1 });
});
