import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { readKeptResults } from '../../../src/agent/kept-results.ts';
import { openStore } from '../../../src/agent/store.ts';
import { BLANK_RESULT, type Result } from '../../../src/domain/attempt.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { taskejo } from '../../support/command-line.ts';
import { succeeded } from '../../support/tasks.ts';
import { temporaryFolder } from '../../support/temporary.ts';
import { waitFor } from '../../support/wait-for.ts';

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
  expect(await again.open()).toMatchObject([{ task: taskOf('open'), result: succeeded }]);
  again.close();
});

test('agent and command wait for each other to write', async () => {
  const { stateDir, store } = storeWithResults(succeeded);
  store.close();
  const source = (file: string) => JSON.stringify(new URL(`../../../src/agent/${file}`, import.meta.url));
  await writeBesideAnother(
    stateDir,
    `import { deleteKeptResults } from ${source('kept-results.ts')};
    const write = () => deleteKeptResults(process.argv[1], ['fenced']);`,
  );
  expect(idsOf(stateDir)).toEqual(['fenced-too']);
  await writeBesideAnother(
    stateDir,
    `import { openStore } from ${source('store.ts')};
    const store = openStore(process.argv[1]);
    const write = () => store.leave('open', 'fenced');`,
  );
  expect(idsOf(stateDir)).toEqual(['fenced-too', 'open']);
});

test('no agent has run on a folder without a store', async () => {
  const missing = join(temporaryFolder(), 'agent.yaml');
  writeFileSync(missing, 'server: {url: "https://tasks.example.org"}\nstate_dir: nowhere\n', { mode: 0o600 });
  expect(await taskejo(['agent', 'results', '--delete-all', '--config', missing])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^taskejo: there is no .*nowhere\/agent\.db: no agent has run on this folder\n$/),
  });
});

/** A process that writes while another is in the middle of a write, which that ends once it is waited for. */
async function writeBesideAnother(stateDir: string, program: string): Promise<void> {
  const whenAsked = `${program} process.stdout.write('ready'); (await import('node:fs')).readSync(0, new Uint8Array(1)); write();`;
  const writer = spawn(process.execPath, ['--input-type=module', '--eval', whenAsked, stateDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(writer, 'exit');
  await once(writer.stdout, 'data');
  const other = new DatabaseSync(join(stateDir, 'agent.db'));
  other.exec('begin immediate');
  const before = pausesOf(writer.pid);
  writer.stdin.end('!');
  await waitFor(() => writer.exitCode !== null || pausesOf(writer.pid) >= before + PAUSES);
  other.exec('commit');
  other.close();
  expect(await ended).toEqual([0, null]);
}

/** Who waits for a lock of SQLite looks again and again, and pauses between. */
const PAUSES = 4;
const pausesOf = (pid = 0): number =>
  Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
