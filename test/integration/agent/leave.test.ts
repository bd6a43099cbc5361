import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadAgentConfig } from '../../../src/agent/config.ts';
import { ServerAway, type ServerClient, ServerRefusal } from '../../../src/agent/http.ts';
import { readSelf, writeSelf } from '../../../src/agent/identity.ts';
import { createIntake } from '../../../src/agent/intake.ts';
import { leave } from '../../../src/agent/leave.ts';
import { createReserve } from '../../../src/agent/reserve.ts';
import { type AgentStore, openStore, type TakenTask } from '../../../src/agent/store.ts';
import { leaveStopped } from '../../../src/agent.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { temporaryFolder } from '../../support/temporary.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const signal = new AbortController().signal;
const LATE: TakenTask = {
  attemptId: 'late',
  taskId: 'late task',
  number: 1,
  command: ['true'],
  input: '',
  inputBase64: null,
  environment: {},
  limits: NO_LIMITS,
  sandbox: 'none',
  timeoutSeconds: 60,
  renewSeconds: 10,
};

/** An agent that has joined, whose server answers so. */
async function joined(answer: (store: AgentStore) => Promise<never>) {
  const stateDir = temporaryFolder();
  const env = { TASKEJO_AGENT_SERVER__URL: 'http://127.0.0.1:1', TASKEJO_AGENT_STATE_DIR: stateDir };
  const config = await loadAgentConfig({ env });
  const identity = { installationId: 'here', agentId: 'me', heartbeatSeconds: 10, registered: null };
  writeSelf(config, { ...readSelf(config), identity });
  const reserve = createReserve(stateDir, []);
  const store = openStore(stateDir, reserve);
  const intake = createIntake({ store, reserve, log });
  const client: ServerClient = () => answer(store);
  let hasLeft = false;
  const onLeft = () => {
    hasLeft = true;
  };
  const attempts = { idle: async () => {} };
  const stopped: string[] = [];
  const stops = { stop: async ({ attemptId }: { attemptId: string }) => void stopped.push(attemptId) };
  const tried = leave({ config, client, store, intake, attempts, stops, onLeft, signal }, false);
  const standing = () => ({ hasLeft, agentId: readSelf(config).identity?.agentId, drained: store.drained });
  return { tried, standing, stopped };
}

test('an agent whose server can’t be told goes on as it was', async () => {
  const { tried, standing } = await joined(async () => {
    throw new ServerAway('cannot reach it');
  });
  await expect(tried).rejects.toMatchObject({ code: 'unavailable' });
  expect(standing()).toEqual({ hasLeft: false, agentId: 'me', drained: false });
});

test('an agent that somebody has deleted on the server has left', async () => {
  const { tried, standing } = await joined(async () => {
    throw new ServerRefusal(401, { code: 'unauthenticated', detail: 'who is that?' });
  });
  expect(await tried).toEqual({ agent_id: 'me', stopped: 0 });
  expect(standing()).toEqual({ hasLeft: true, agentId: undefined, drained: false });
});

test('what was taken while an agent left is stopped too, since nobody reports it any more', async () => {
  const { tried, standing, stopped } = await joined(async (store) => {
    store.take([LATE]);
    throw new ServerRefusal(401, { code: 'unauthenticated', detail: 'who is that?' });
  });
  expect(await tried).toEqual({ agent_id: 'me', stopped: 1 });
  expect(stopped).toEqual(['late']);
  expect(standing()).toMatchObject({ hasLeft: true });
});

test('where no agent has joined, leaving says so and makes nothing', async () => {
  const stateDir = join(temporaryFolder(), 'state');
  const env = { TASKEJO_AGENT_SERVER__URL: 'http://127.0.0.1:9', TASKEJO_AGENT_STATE_DIR: stateDir };
  await expect(leaveStopped({ env, force: false })).rejects.toThrow('this agent has joined no server');
  expect(existsSync(stateDir)).toBe(false);
});
