import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readKeptResults } from '../../../src/agent/kept-results.ts';
import { createCleaner } from '../../../src/agent/local-api/clean-up.ts';
import { type AgentStore, type Leaving, openStore } from '../../../src/agent/store.ts';
import { tidyLoop } from '../../../src/agent/tidy-loop.ts';
import { type Machine, MachineError } from '../../../src/executor/machine.ts';
import { createLog } from '../../../src/log.ts';
import { guardedMachine, runOn, specOf } from '../../support/guarded-machine.ts';
import { succeeded } from '../../support/tasks.ts';
import { waitFor } from '../../support/wait-for.ts';

const folderOf = (root: string, attemptId: string) => join(root, 'work/here', `a.${attemptId}`, 'run');

/** Runs something to its end; the server was told of it so. */
async function left(machine: Machine, store: AgentStore, how: Leaving): Promise<string> {
  const spec = specOf('exit 3');
  await runOn(machine, spec);
  const { attemptId, taskId, number, command, limits, sandbox, timeoutSeconds } = spec;
  const given = { command: [...command], input: '', inputBase64: null, environment: {}, renewSeconds: 1 };
  store.take([{ attemptId, taskId, number, limits, sandbox, timeoutSeconds, ...given }]);
  store.setResult(attemptId, succeeded);
  store.leave(attemptId, how);
  return attemptId;
}

test('an attempt whose files can not be removed keeps no other from its turn', async () => {
  const { root, machine } = await guardedMachine();
  const store = openStore(root);
  const [stuck, other] = [await left(machine, store, 'reported'), await left(machine, store, 'reported')];
  const failing: Machine = {
    ...machine,
    clean: async (attemptId, signal) => {
      if (attemptId === stuck) throw new MachineError('unreachable', 'it took too long');
      await machine.clean(attemptId, signal);
    },
  };
  const { signal } = new AbortController();
  const deps = { config: { workDir: join(root, 'work') }, installationId: 'here', store, machine: failing, signal };
  await expect(createCleaner(deps)(false)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(stuck),
  });
  expect([stuck, other].map((id) => existsSync(folderOf(root, id)))).toEqual([true, false]);
  expect(store.leftBefore(0)).toEqual([stuck]);
  expect(await createCleaner({ ...deps, machine })(false)).toMatchObject({ items: [{ attempt_id: stuck }] });
  expect(existsSync(folderOf(root, stuck))).toBe(false);
  store.close();
});

test('an agent that is stopped meanwhile does not say that all is removed', async () => {
  const { root, machine } = await guardedMachine();
  const store = openStore(root);
  const [first, second] = [await left(machine, store, 'reported'), await left(machine, store, 'reported')];
  const stopping = new AbortController();
  const clean: Machine['clean'] = async (attemptId, signal) => {
    await machine.clean(attemptId, signal);
    stopping.abort();
  };
  const deps = { config: { workDir: join(root, 'work') }, installationId: 'here', store, signal: stopping.signal };
  const cleaning = createCleaner({ ...deps, machine: { ...machine, clean } })(false);
  await expect(cleaning).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('stopping') });
  expect([first, second].filter((id) => existsSync(folderOf(root, id)))).toEqual(store.leftBefore(0));
  expect(store.leftBefore(0)).toHaveLength(1);
  store.close();
});

test('an agent that runs drops what it keeps for people when its time is over', async () => {
  const { root, machine } = await guardedMachine();
  const store = openStore(root);
  const attemptId = await left(machine, store, 'fenced');
  const log = createLog({ level: 'error', format: 'json' });
  const over = new AbortController();
  const work = { use: async () => ({ machine }), unusedMs: null };
  const tidying = tidyLoop({ config: { resultsSeconds: 0 }, store, work, log }, over.signal);
  await waitFor(async () => readKeptResults(root).length === 0);
  over.abort();
  await tidying;
  expect(existsSync(folderOf(root, attemptId))).toBe(true);
  store.close();
});
