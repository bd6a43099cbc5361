import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore } from '../../../src/agent/store.ts';
import { BLANK_RESULT } from '../../../src/domain/attempt.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { taskejo } from '../../support/command-line.ts';
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

test('results that nobody wanted are shown to a person, while the agent runs or not, and no others', async () => {
  const stateDir = temporaryFolder();
  const config = join(stateDir, 'agent.yaml');
  writeFileSync(config, `server: {url: "https://tasks.example.org"}\nstate_dir: ${stateDir}\n`, { mode: 0o600 });
  const results = (...words: string[]) => taskejo(['agent', 'results', '--config', config, ...words]);
  const store = openStore(stateDir);
  expect(await results()).toMatchObject({ code: 0, stdout: '', stderr: 'no results are kept\n' });
  store.take(['reported', 'fenced', 'open'].map(taskOf));
  const result = { ...BLANK_RESULT, outcome: 'failed' as const, exitCode: 4, error: 'it\u001b[31m broke' };
  for (const attemptId of ['reported', 'fenced', 'open']) store.setResult(attemptId, result);
  store.leave('reported', 'reported');
  store.leave('fenced', 'fenced');
  const { code, stdout } = await results('--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    items: [{ attempt_id: 'fenced', task_id: 'task-of-fenced', number: 2, outcome: 'failed', exit_code: 4 }],
  });
  store.close();
  const table = (await results()).stdout;
  expect(table).toMatch(/^ATTEMPT .*\nfenced .* failed +4 +it␛\[31m broke\n$/);
});
