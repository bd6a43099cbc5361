import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { readSelf, writeSelf } from '../../src/agent/identity.ts';
import { isStillKnown } from '../../src/agent/still-known.ts';
import { beginTask } from '../support/agent-on-way.ts';
import { type AgentProcess, startAgentProcess } from '../support/agent-process.ts';
import { taskejoFile } from '../support/command-line.ts';
import { expectHealthy } from '../support/examine.ts';
import { serverOfFile } from '../support/server-of-file.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const { server, tasks } = await serverOfFile({ TASKEJO_LEASES__SECONDS: '120', TASKEJO_LEASES__RENEW_SECONDS: '0.5' });
afterEach(() => expectHealthy(server));

const ROUNDS = 8;
const sourceOf = (name: string): string => pathToFileURL(join(import.meta.dirname, '../../src/agent', name)).href;
const preload = pathToFileURL(join(import.meta.dirname, '../support/as-prepared.ts')).href;

/** A real agent that is begun anew with these changes to what its start has found out. */
async function startAgentWith(name: string, changes: object): Promise<{ agent: AgentProcess; file: string }> {
  const file = join(temporaryFolder(), 'changes');
  writeFileSync(file, JSON.stringify(changes));
  const env = { PREPARED_FILE: file, NODE_OPTIONS: `--import=${preload}` };
  return { agent: await startAgentProcess(server, { name, env }), file };
}

const timesAnew = (agent: AgentProcess): number => agent.log().split('begins anew').length - 1;

/** Children that have ended and that nobody has asked how. */
function zombiesOf({ pid }: AgentProcess): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return children.filter((child) => / Z /.test(readFileSync(`/proc/${child}/stat`, 'utf8')));
}

describe('an agent that begins anew whenever it has nothing to do', () => {
  test('runs each task once, whenever that comes, and stays the process that it was', async () => {
    const ran = join(temporaryFolder(), 'ran');
    const { agent } = await startAgentWith('rests', { restMs: 40 });
    const { pid } = agent;
    const given: string[] = [];
    const give = async () => {
      const { id } = await tasks.create(`echo $TASKEJO_TASK_ID >>${ran}; echo out`, { agent_id: agent.id });
      given.push(id);
      return id;
    };
    for (let round = 0; round < ROUNDS; round++) {
      const before = timesAnew(agent);
      await tasks.ended(await give());
      // One as it lets go of everything, one as it comes back, and two at any time.
      await waitFor(() => timesAnew(agent) > before, { intervalMs: 1 });
      await Promise.all([give(), give()]);
      if (round % 2 === 0) await tasks.ended(await give());
    }
    const ended = await Promise.all(given.map((id) => tasks.ended(id)));
    expect(ended.map(({ status, attempt }) => [status, attempt?.number])).toEqual(given.map(() => ['completed', 1]));
    expect(readFileSync(ran, 'utf8').trim().split('\n').toSorted()).toEqual(given.toSorted());
    for (const { attempt } of ended) expect(await tasks.printed(attempt?.id ?? '')).toBe('out\n');
    expect(timesAnew(agent)).toBeGreaterThanOrEqual(ROUNDS);
    expect(agent.pid).toBe(pid);
    await waitFor(() => zombiesOf(agent).length === 0);
    expect([0, null]).toContain(await agent.stop()); // null: by the signal, before it could hear it
  }, 300_000);

  test('does not while something runs', async () => {
    const { agent } = await startAgentWith('busy', { restMs: 40 });
    const { id, end } = await beginTask(tasks, 'exit 3', { agent_id: agent.id });
    const before = timesAnew(agent);
    const other = await tasks.create('true', { agent_id: agent.id });
    await tasks.ended(other.id);
    expect(timesAnew(agent)).toBe(before);
    await end();
    expect((await tasks.ended(id)).result).toMatchObject({ exit_code: 3 });
    await waitFor(() => timesAnew(agent) > before);
  });
});

test('a signal that comes while an agent begins anew ends it', async () => {
  for (let round = 0; round < 6; round++) {
    const { agent } = await startAgentWith(`ended-${round}`, { restMs: 40 });
    const { id } = await tasks.create('true', { agent_id: agent.id });
    await tasks.ended(id);
    await waitFor(() => timesAnew(agent) > 0, { intervalMs: 1 });
    process.kill(agent.pid, 'SIGTERM');
    expect([0, null]).toContain(await agent.died());
  }
}, 300_000);

test('a signal that comes while an agent does the last before it begins anew is heard', async () => {
  const script = `
    import { stat } from 'node:fs';
    import { beginAnew } from ${JSON.stringify(sourceOf('begin-anew.ts'))};
    import { stopSignals } from ${JSON.stringify(sourceOf('stop-signals.ts'))};
    const signals = stopSignals(process);
    let begun = false;
    process.execve = () => { begun = true; };
    stat('/', async () => {
      process.kill(process.pid, 'SIGTERM');
      await beginAnew(null, signals);
      console.log(JSON.stringify({ begun, stopped: signals.stop.aborted }));
      signals.release();
    });`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  expect(JSON.parse(stdout)).toEqual({ begun: false, stopped: true });
});

test('an agent that has left the server in that moment does not go on', () => {
  const stateDir = temporaryFolder();
  const self = readSelf({ stateDir });
  const registration = { installationId: 'i', agentId: 'a', heartbeatSeconds: 10, registered: null };
  const known = { ...self, identity: registration };
  writeSelf({ stateDir }, known);
  expect(isStillKnown({ stateDir }, known)).toBe(true);
  writeSelf({ stateDir }, self);
  expect(isStillKnown({ stateDir }, known)).toBe(false);
});

test('what somebody else has set in its variable is nothing to an agent, nor to another command', async () => {
  const { agent } = await startAgentWith('nonsense', { once: true, config: null });
  expect(await agent.stop()).toBe(0);
  const env = { ...process.env, TASKEJO_PREPARED: 'nonsense' };
  const { stdout } = await promisify(execFile)(process.execPath, [taskejoFile, '--version'], { env });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
});

test('an agent in whose place another release was put finds out anew what that needs to know', async () => {
  const { agent, file } = await startAgentWith('upgraded', { once: true, version: 'another', config: null });
  expect(existsSync(file)).toBe(false);
  const { id } = await tasks.create('true', { agent_id: agent.id });
  expect(await tasks.ended(id)).toMatchObject({ status: 'completed' });
  expect(await agent.stop()).toBe(0);
});
