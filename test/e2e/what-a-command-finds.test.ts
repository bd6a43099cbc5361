import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../src/contract/task.ts';
import { describeIf } from '../support/require.ts';
import { startTwoWays, type TwoWays, WAYS, type Way } from '../support/two-ways.ts';

/** In the environment of the server, of the agent and of sessions on the host: no command may find any of it. */
const FOREIGN = {
  FOREIGN_SECRET: 'never-shown',
  NODE_OPTIONS: '--no-warnings',
  GIT_DIR: '/nowhere',
  LD_LIBRARY_PATH: '/nowhere',
  BASH_ENV: '/nowhere',
};
const OURS = ['TASKEJO_TASK_ID', 'TASKEJO_ATTEMPT_ID', 'TASKEJO_URL', 'TASKEJO_TOKEN'];
const FILES = ['TASKEJO_PROGRESS', 'TASKEJO_OUTPUT'];
const MACHINES = ['PATH', 'HOME', 'LANG', 'TMPDIR'];
/** What a shell adds on the way to the command. */
const BY_SHELL = ['PWD', 'OLDPWD', 'SHLVL', '_'];
const namesIn = (found: object) => new Set(Object.keys(found).filter((name) => !BY_SHELL.includes(name)));
/** SIGINT and SIGQUIT, which a shell has what it starts in the background ignore, as bits. */
const INTERRUPTS = 0x6;

/** What the shell says of itself: its directory, what is in it, its mask, signals and session. */
const SURROUNDINGS = [
  'echo "cwd $(pwd -P)"',
  'echo "home $HOME"',
  'echo "entries $(ls -A | tr "\\n" ,)"',
  'echo "mode $(stat -c %a .)"',
  'echo "mask $(umask)"',
  'echo "ignored $(sed -n "s/^SigIgn:[[:space:]]*//p" /proc/$$/status)"',
  'echo "blocked $(sed -n "s/^SigBlk:[[:space:]]*//p" /proc/$$/status)"',
  'echo "terminal $(cut -d" " -f7 /proc/$$/stat)"',
  'echo "own-session $([ "$(cut -d" " -f6 /proc/$$/stat)" = $$ ] && echo yes)"',
  'echo "tmp $(cd "$TMPDIR" && touch t && ls)"',
  'echo "nodes $(ulimit -n)"',
].join('; ');

describeIf('sshd', 'what a command finds', () => {
  let two: TwoWays;
  beforeAll(async () => {
    two = await startTwoWays({
      server: FOREIGN,
      host: FOREIGN,
      agent: { ...FOREIGN, TASKEJO_AGENT_ENVIRONMENT__PASS: '', LANG: 'C.UTF-8' },
    });
  });
  afterAll(() => two?.stop());

  const create = (way: Way, body: object) =>
    two.server.api<Task>('POST', '/api/v1/tasks', { title: 'look', requires: [way], ...body });
  const run = async (way: Way, body: object) => {
    const task = await two.tasks.ended((await create(way, body)).id);
    expect(task.result).toMatchObject({ outcome: 'completed' });
    return { task, stdout: await two.tasks.printed(task.attempt?.id ?? '') };
  };
  const environmentOf = async (way: Way, body: object = {}) => {
    const { task, stdout } = await run(way, { command: ['cat', '/proc/self/environ'], ...body });
    const entries = stdout.split('\0').filter((one) => one !== '');
    return { task, found: Object.fromEntries(entries.map((one) => one.split(/=(.*)/s).slice(0, 2))) };
  };
  const surroundingsOf = async (way: Way) => {
    const { stdout } = await run(way, { command: ['sh', '-c', SURROUNDINGS] });
    const lines = stdout.trimEnd().split('\n');
    return Object.fromEntries(lines.map((line) => line.split(/ (.*)/s).slice(0, 2)));
  };

  describe.each(WAYS)('%s', (way) => {
    it('is its identity, its address and token, its two files, and nothing of server, agent or host', async () => {
      const { task, found } = await environmentOf(way, { environment: { MINE: 'yes' } });
      expect(namesIn(found)).toEqual(new Set([...MACHINES, ...OURS, ...FILES, 'MINE']));
      expect(found).toMatchObject({
        MINE: 'yes',
        TASKEJO_TASK_ID: task.id,
        TASKEJO_ATTEMPT_ID: task.attempt?.id,
        TASKEJO_URL: two.server.url,
        // The log hides the token that was there.
        TASKEJO_TOKEN: '*'.repeat(83),
      });
      expect(Object.values(found).join()).not.toContain(FOREIGN.FOREIGN_SECRET);
    });

    it('is where its task came from, if it came from somewhere', async () => {
      const { found } = await environmentOf(way, { repository: 'main:alice/widgets' });
      expect(found.TASKEJO_REPOSITORY).toBe('main:alice/widgets');
      expect(namesIn(found)).toEqual(new Set([...MACHINES, ...OURS, ...FILES, 'TASKEJO_REPOSITORY']));
    });

    it('is an empty directory of its own, which nobody else may enter', async () => {
      const found = await surroundingsOf(way);
      expect(found).toMatchObject({ cwd: found.home, mode: '700', entries: '', tmp: 't' });
      const { found: other } = await environmentOf(way);
      expect(other.HOME).not.toBe(found.home);
    });

    it('is no signal ignored or blocked, no open file and no terminal of somebody else', async () => {
      const found = await surroundingsOf(way);
      expect(found).toMatchObject({ blocked: '0000000000000000', terminal: '0', 'own-session': 'yes', mask: '0077' });
      expect(Number(`0x${found.ignored}`) & ~INTERRUPTS).toBe(0);
      const { stdout } = await run(way, { command: ['ls', '/proc/self/fd'] });
      // The fourth is the directory that is listed; beyond these are what whoever started the agent left open.
      expect(stdout.split('\n').filter((name) => /^\d$/.test(name))).toEqual(['0', '1', '2', '3']);
    });

    it('is what the task says over what was there, but for what a loader or Taskejo owns', async () => {
      const { found } = await environmentOf(way, { environment: { LANG: 'de_DE', HOME: '/elsewhere', TMPDIR: '/t' } });
      expect(found).toMatchObject({ LANG: 'de_DE', HOME: '/elsewhere', TMPDIR: '/t' });
      for (const name of ['TASKEJO_TOKEN', 'LD_PRELOAD', 'NODE_OPTIONS', 'BASH_ENV', 'GIT_SSH_COMMAND', 'PATH']) {
        await expect(create(way, { command: ['true'], environment: { [name]: 'x' } })).rejects.toThrow('422');
      }
    });

    it('is a file for lines of progress, and one whose JSON becomes the output', async () => {
      const command =
        'echo "10% begun" >"$TASKEJO_PROGRESS"; printf \'%s\\n\' "40% with \\"quotes\\" and \\033[31m" >>"$TASKEJO_PROGRESS"; ' +
        'printf \'{"n": [1, null, "ä"]}\' >"$TASKEJO_OUTPUT"; while [ ! -f "$1" ]; do sleep 0.05; done';
      const go = `${two.folder}/go-${way}`;
      const { id } = await create(way, { command: ['sh', '-c', command, 'sh', go] });
      const running = await two.tasks.until(id, ({ attempt }) => attempt?.progress?.percent === 40);
      expect(running.attempt?.progress?.message).toBe('with "quotes" and \\033[31m');
      writeFileSync(go, '');
      const task = await two.tasks.ended(id);
      expect(task.result).toMatchObject({ outcome: 'completed', output: { n: [1, null, 'ä'] } });
    });

    it('is a token that reports about its own attempt and is good for nothing else', async () => {
      const script = `
        const { TASKEJO_URL: url, TASKEJO_TOKEN: token, TASKEJO_ATTEMPT_ID: own, TASKEJO_TASK_ID: task } = process.env;
        const call = async (method, path, body) => (await fetch(url + path, {
          method, headers: { authorization: 'Bearer ' + token, 'content-type': 'application/json' },
          ...(body ? { body: JSON.stringify(body) } : {}),
        })).status;
        const other = '01a1fecd-f8ca-75d1-bca7-f750c85b68bf';
        console.log(JSON.stringify([
          await call('POST', '/api/v1/attempts/' + own + '/progress', { percent: 70, message: 'by hand' }),
          await call('POST', '/api/v1/attempts/' + other + '/progress', { percent: 70 }),
          await call('GET', '/api/v1/tasks/' + task),
          await call('GET', '/api/v1/tasks'),
          await call('POST', '/api/v1/tasks', { title: 'more', command: ['true'] }),
          await call('POST', '/api/v1/tasks/dequeue', {}),
          await call('POST', '/api/v1/agents/me/heartbeat', { attempt_ids: [] }),
          await call('GET', '/api/v1/audit'),
        ]));`;
      const { task, stdout } = await run(way, { command: [process.execPath, '-e', script] });
      expect(JSON.parse(stdout)).toEqual([200, 404, 403, 403, 403, 403, 403, 403]);
      expect(task.attempt?.progress).toMatchObject({ percent: 70, message: 'by hand' });
    });
  });

  it('has the same names and the same surroundings either way', async () => {
    const [overSsh, pulled] = await Promise.all(WAYS.map((way) => environmentOf(way)));
    expect(namesIn(pulled?.found ?? {})).toEqual(namesIn(overSsh?.found ?? {}));
    const [one, other] = await Promise.all(WAYS.map(surroundingsOf));
    expect({ ...one, cwd: '', home: '' }).toEqual({ ...other, cwd: '', home: '' });
  });
});
