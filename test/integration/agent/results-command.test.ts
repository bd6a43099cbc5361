import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { deleteKeptResults, readKeptResults } from '../../../src/agent/kept-results.ts';
import { openStore } from '../../../src/agent/store.ts';
import { BLANK_RESULT, type Result } from '../../../src/domain/attempt.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { taskejo } from '../../support/command-line.ts';
import { succeeded } from '../../support/tasks.ts';
import { temporaryFolder } from '../../support/temporary.ts';

const taskOf = (attemptId: string) => ({
  attemptId,
  taskId: `task-of-${attemptId}`,
  number: 2,
  command: ['true'],
  input: '',
  inputBase64: null,
  environment: {},
  limits: NO_LIMITS,
  sandbox: 'none' as const,
  timeoutSeconds: 1,
  renewSeconds: 1,
});

/** A store with results of a task that was reported, of two that the server did not take, and of an open one. */
function storeWithResults(result: Result) {
  const stateDir = temporaryFolder();
  const config = join(stateDir, 'agent.yaml');
  writeFileSync(config, `server: {url: "https://tasks.example.org"}\nstate_dir: ${stateDir}\n`, { mode: 0o600 });
  const results = (...words: string[]) => taskejo(['agent', 'results', '--config', config, ...words]);
  const store = openStore(stateDir);
  const all = ['reported', 'fenced', 'fenced-too', 'open'];
  store.take(all.map(taskOf));
  for (const attemptId of all) store.setResult(attemptId, result);
  store.leave('reported', 'reported');
  store.leave('fenced', 'fenced');
  store.leave('fenced-too', 'fenced');
  return { stateDir, store, results };
}
const idsOf = (stateDir: string) => readKeptResults(stateDir).map(({ attemptId }) => attemptId);

test('results that nobody wanted are shown to a person, while the agent runs or not, and no others', async () => {
  const result = { ...BLANK_RESULT, outcome: 'failed' as const, exitCode: 4, error: 'it\u001b[31m broke' };
  const { store, results } = storeWithResults(result);
  const { code, stdout } = await results('--json');
  expect(code).toBe(0);
  const about = { number: 2, outcome: 'failed', exit_code: 4 };
  expect(JSON.parse(stdout)).toMatchObject({
    items: [
      { attempt_id: 'fenced', task_id: 'task-of-fenced', ...about },
      { attempt_id: 'fenced-too', task_id: 'task-of-fenced-too', ...about },
    ],
  });
  store.close();
  const table = (await results()).stdout;
  expect(table).toMatch(/^ATTEMPT .*\nfenced .* failed +4 +it␛\[31m broke\nfenced-too .*\n$/);
});

test('kept results are deleted one by one or all, while the agent runs or not, and nothing else is', async () => {
  const { stateDir, store, results } = storeWithResults(succeeded);
  expect(await results('--delete', 'fenced', 'open')).toMatchObject({
    code: 1,
    stdout: 'deleted: 1 result\n',
    stderr: 'taskejo: no result is kept of open\n',
  });
  expect(idsOf(stateDir)).toEqual(['fenced-too']);
  expect(store.leftBefore(0).toSorted()).toEqual(['fenced', 'fenced-too', 'reported']);
  store.close();
  expect(await results('--delete-all')).toMatchObject({ code: 0, stdout: 'deleted: 1 result\n', stderr: '' });
  expect(await results()).toMatchObject({ code: 0, stdout: '', stderr: 'no results are kept\n' });
  const again = openStore(stateDir);
  expect(again.open()).toMatchObject([{ task: taskOf('open'), result: succeeded }]);
  again.close();
});

test('agent and command wait for each other to write', async () => {
  const { stateDir, store } = storeWithResults(succeeded);
  await whileWriting(stateDir);
  expect(deleteKeptResults(stateDir, ['fenced'])).toEqual(['fenced']);
  await whileWriting(stateDir);
  store.forget('fenced');
  store.close();
});

test('no agent has run on a folder without a store', async () => {
  const missing = join(temporaryFolder(), 'agent.yaml');
  writeFileSync(missing, 'server: {url: "https://tasks.example.org"}\nstate_dir: nowhere\n', { mode: 0o600 });
  expect(await taskejo(['agent', 'results', '--delete-all', '--config', missing])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^taskejo: there is no .*nowhere\/agent\.db: no agent has run on this folder\n$/),
  });
});

/** Resolves as soon as another process is in the middle of a write, which it ends by itself. */
async function whileWriting(stateDir: string): Promise<void> {
  const path = JSON.stringify(join(stateDir, 'agent.db'));
  const program = `const database = new (require('node:sqlite').DatabaseSync)(${path});
    database.exec('begin immediate'); console.log('writing'); setTimeout(() => database.exec('commit'), 500)`;
  const writer = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => void (writer.exitCode ?? (await once(writer, 'exit'))));
  await once(writer.stdout, 'data');
}
