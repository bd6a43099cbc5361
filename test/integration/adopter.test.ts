import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MachineError } from '../../src/executor/machine.ts';
import { createAdopter } from '../../src/loops/adopt-attempts.ts';
import type { Host } from '../../src/loops/hosts.ts';
import { createTask } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { dispatchToHosts } from '../../src/usecases/hosts/dispatch.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { addAgent, alice, newTask } from '../support/tasks.ts';
import { waitFor } from '../support/wait-for.ts';

let deps: Deps & { stop(): Promise<void> };
beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 4 }));
  await addAgent(deps.db, 'h1', { mode: 'ssh_cli', capacity: 3 });
});
afterEach(() => deps.stop());

it('an adopter has not stopped before the last host has answered, also if one attempt could not be asked about', async () => {
  for (let n = 0; n < 3; n++) await createTask(deps, alice, newTask());
  const options = { replicaId: randomUUID(), hostIds: ['h1'], lastUsed: null, attemptToken: (text: string) => text };
  await dispatchToHosts(deps, options);
  await sql`update tasks set lease_expires_at = now() - interval '1 second'`.execute(deps.db);
  let asked = 0;
  const last = Promise.withResolvers<void>();
  // Of the three it answers about the first, is silent about the second, and answers late about the third.
  const status = async () => {
    asked += 1;
    if (asked === 2) throw new MachineError('unreachable', 'silent');
    if (asked === 3) await last.promise;
  };
  const host = { id: 'h1', machine: { status } } as unknown as Host;
  const driven: string[] = [];
  const adopter = createAdopter({
    deps,
    replica: { id: randomUUID(), bootId: 'b', pidNamespace: 'p', pid: 1, startedAt: '1' },
    isGone: () => false,
    driver: { drive: (id) => driven.push(id), driven: new Set<string>(), stop: async () => {} },
    log: { info() {}, warn() {} },
  });
  await adopter.look([host]);
  await waitFor(() => asked === 3);
  const stopped = adopter.stop();
  last.resolve();
  await stopped;
  expect(driven).toHaveLength(2);
});
