import { afterAll, expect, it, onTestFinished, vi } from 'vitest';
import { createLimitFinder } from '../../src/loops/find-limits.ts';
import { syncHosts } from '../../src/usecases/hosts/sync-hosts.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { waitFor } from '../support/wait-for.ts';

const deps = await createTestDeps(await createTestDatabase());
afterAll(() => deps.stop());

const ALL = { cpuPercent: null, memoryBytes: null, processes: null, fileSizeBytes: null };
const MINUTE = 60_000;

it('a host that keeps all limits is tried again after an hour, one that refused some sooner', async () => {
  await syncHosts(deps, [
    { id: 'able', labels: [], capacity: 1 },
    { id: 'full', labels: [], capacity: 1 },
  ]);
  let passedMs = 0;
  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + passedMs);
  onTestFinished(() => clock.mockRestore());
  const tried: string[] = [];
  const host = (id: string, first: string | null) => ({
    id,
    async keptLimits() {
      tried.push(id);
      return { ...ALL, memoryBytes: tried.filter((one) => one === id).length > 1 ? null : first };
    },
  });
  const hosts = [host('able', null), host('full', 'no space left on device')];
  const finder = createLimitFinder({ deps, log: { info() {}, warn() {} } });
  onTestFinished(() => finder.stop());
  const limitsOf = async (id: string) =>
    (await deps.db.selectFrom('agents').select('limits').where('id', '=', id).executeTakeFirst())?.limits ?? [];
  for (const one of hosts) finder.consider(one, true);
  await waitFor(async () => (await limitsOf('able')).length === 4 && (await limitsOf('full')).length === 3);
  passedMs = 15 * MINUTE;
  await waitFor(async () => {
    for (const one of hosts) finder.consider(one, false);
    return (await limitsOf('full')).length === 4;
  });
  expect(tried.toSorted()).toEqual(['able', 'full', 'full']);
});
