import { expect, onTestFinished, test } from 'vitest';
import { startHosted, startsOn } from '../support/hosted.ts';
import { busyboxPath, shellPath } from '../support/local-machine.ts';
import { describeIf, requireProgram } from '../support/require.ts';
import { killSessionsOften } from '../support/session-killer.ts';
import { startSshd } from '../support/sshd.ts';
import type { TaskClient } from '../support/task-client.ts';
import { temporaryFolder } from '../support/temporary.ts';

/** Ten are the proof, and take five minutes. */
const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 1);
const TASKS = 24;
const LINES = 100;
const ROUND_MS = 300_000;

describeIf('sshd', 'every process of sshd that serves a connection killed each 400 ms', () => {
  const SHELLS = [
    ['dash', (dash: string) => shellPath(dash, temporaryFolder())],
    ['busybox', (busybox: string) => busyboxPath(busybox, temporaryFolder())],
    ['bash', (bash: string) => shellPath(bash, temporaryFolder())],
  ] as const;

  test.for(SHELLS)(
    `rounds of ${TASKS} tasks under %s: no wrong byte, no wrong exit code, no second run`,
    { timeout: ROUNDS * ROUND_MS },
    async ([name, pathFor], context) => {
      const PATH = pathFor(requireProgram(name, context));
      const sshd = await startSshd({ environment: { PATH } });
      onTestFinished(() => sshd.stop());
      const { start, noted } = await startHosted([sshd]);
      const { client } = await start([{ id: 'box', sshd, capacity: TASKS }]);
      const { killed } = await killSessionsOften(sshd);
      for (let round = 0; round < ROUNDS; round++) await playRound(client, noted);
      console.log(`${name}: ${ROUNDS * TASKS} tasks, ${killed()} sessions killed, ${startsOn(sshd).length} starts`);
      expect(killed()).toBeGreaterThan(ROUNDS * TASKS);
      expect(startsOn(sshd)).toHaveLength(ROUNDS * TASKS);
    },
  );

  async function playRound(client: TaskClient, noted: (command: string) => string) {
    const tasks = await Promise.all(
      Array.from({ length: TASKS }, (_, n) => client.create(noted(script(n)), { requires: ['linux'] })),
    );
    const seen = await Promise.all(
      tasks.map(async ({ id }) => {
        const ended = await client.ended(id, { timeoutMs: ROUND_MS, intervalMs: 250 });
        const attemptId = ended.attempt?.id ?? '';
        const [out, err] = [await client.printed(attemptId), await client.printed(attemptId, 'stderr')];
        return { status: ended.status, code: ended.result?.exit_code, out, err };
      }),
    );
    expect(seen).toEqual(
      tasks.map((_, n) => ({ status: 'failed', code: n + 1, out: expected('out'), err: expected('err') })),
    );
  }

  const script = (n: number) =>
    `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo out $i; echo err $i >&2; sleep 0.03; done; exit ${n + 1}`;
  const expected = (word: string) => Array.from({ length: LINES }, (_, i) => `${word} ${i + 1}\n`).join('');
});
