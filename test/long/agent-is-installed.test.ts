import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findProgram } from '../../src/agent/bounds/find-program.ts';
import { run, taskejo } from '../support/command-line.ts';
import { temporaryFolder } from '../support/temporary.ts';

function settingsIn(folder: string, text = 'server: {url: "https://tasks.example.org"}\n'): string {
  const file = join(folder, 'agent.yaml');
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

describe('taskejo agent install', () => {
  test('writes a unit that systemd understands, and says how to start it', async (context) => {
    const folder = temporaryFolder();
    const output = join(folder, 'taskejo-agent.service');
    const config = settingsIn(folder);
    const { code, stdout } = await taskejo(['agent', 'install', '--config', config, '--output', output]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('enable --now taskejo-agent')]);
    const text = readFileSync(output, 'utf8');
    expect(text).toMatch(new RegExp(`^ExecStart=\\S+ \\S+/bin/taskejo\\.js agent --config ${config}$`, 'm'));
    const verify = findProgram('systemd-analyze', process.env.PATH ?? '');
    if (verify === null) return context.skip('systemd-analyze is missing on this machine');
    const { code: verified, stderr } = await run(verify, ['verify', output], { env: { HOME: folder } });
    expect([verified, stderr.split('\n').filter((line) => line.includes('taskejo-agent'))]).toEqual([0, []]);
  });

  test('starts an agent by what it wrote', async () => {
    const folder = temporaryFolder();
    const config = settingsIn(
      folder,
      'server: {url: "http://127.0.0.1:1"}\nsandbox: container\ncontainer: {image: no}\n',
    );
    const { stdout } = await taskejo(['agent', 'install', '--config', config, '--print']);
    const [program = '', ...words] = /^ExecStart=(.*)$/m.exec(stdout)?.[1]?.split(' ') ?? [];
    const { code, stderr } = await run(program, words, { env: { TASKEJO_AGENT_STATE_DIR: join(folder, 'state') } });
    expect([code, stderr]).toEqual([2, expect.stringContaining('the sandbox container is not to be had here')]);
  });

  test('writes over no unit that somebody has changed, unless told to', async () => {
    const folder = temporaryFolder();
    const output = join(folder, 'taskejo-agent.service');
    const install = (...words: string[]) =>
      taskejo(['agent', 'install', '--config', settingsIn(folder), '--output', output, ...words]);
    expect([(await install()).code, (await install()).code]).toEqual([0, 0]);
    writeFileSync(output, 'mine');
    const refused = await install();
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('is there and differs')]);
    expect(readFileSync(output, 'utf8')).toBe('mine');
    expect((await install('--force')).code).toBe(0);
  });

  test('warns of what the service won’t find: variables of whoever installs it, files of its own', async () => {
    const folder = temporaryFolder();
    const url = 'https://tasks.example.org';
    const warnings = async (server: string, words: string[] = [], env: Record<string, string> = {}) => {
      const config = settingsIn(folder, `server: ${server}\nstate_dir: ${folder}\n`);
      const { stderr, code } = await taskejo(['agent', 'install', '--print', '--config', config, ...words], { env });
      return [code, ...stderr.split('\n').filter((line) => line !== '')];
    };
    const here = { REG: 'tkj_register_x' };
    expect(await warnings(`{url: "${url}", registration_token: {env: REG}}`, [], here)).toEqual([
      0,
      expect.stringMatching(/^warning: the service finds no variable of yours, and so no token /),
    ]);
    expect(await warnings(`{url: "${url}", token: {env: REG}}`, [], here)).toEqual([
      0,
      expect.stringMatching(/^warning: .*agent\.yaml:1:.* REG is not set, for the service$/),
    ]);
    expect(await warnings(`{url: "${url}", registration_token: a}`, [], { TASKEJO_AGENT_CAPACITY: '1' })).toEqual([
      0,
      'warning: TASKEJO_AGENT_CAPACITY is set here, and not for the service: say it in the file',
    ]);
    expect(await warnings(`{url: "${url}", registration_token: a}`)).toEqual([0]);
    if (process.getuid?.() !== 0) return;
    expect(await warnings(`{url: "${url}", registration_token: a}`, ['--user', 'nobody'])).toEqual([
      0,
      expect.stringMatching(/^warning: nobody can't read .*agent\.yaml: chown nobody /),
    ]);
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'a', { mode: 0o600 });
    chmodSync(join(folder, 'agent.yaml'), 0o644);
    expect(await warnings(`{url: "${url}", registration_token: {file: secret}}`, ['--user', 'nobody'])).toEqual([
      0,
      `warning: nobody can't read ${secret}: chown nobody ${secret}`,
    ]);
    chmodSync(secret, 0o640);
    chownSync(secret, 0, Number(execFileSync('id', ['-g', 'nobody'], { encoding: 'utf8' })));
    expect(await warnings(`{url: "${url}", registration_token: {file: secret}}`, ['--user', 'nobody'])).toEqual([0]);
    chmodSync(join(folder, 'agent.yaml'), 0o600);
    expect(await warnings(`{url: "${url}", registration_token: a}`, ['--user', 'no-such-user'])).toEqual([
      1,
      'taskejo: there is no user no-such-user on this machine',
    ]);
  });

  test('says what is wrong with the settings instead of writing a unit that can’t start', async () => {
    const folder = temporaryFolder();
    const output = join(folder, 'unit');
    const wrong = settingsIn(folder, 'server: {url: "https://tasks.example.org"}\ncapacity: 0\n');
    const { code, stderr } = await taskejo(['agent', 'install', '--config', wrong, '--output', output]);
    expect([code, stderr, existsSync(output)]).toEqual([2, expect.stringContaining('capacity'), false]);
    const none = await taskejo(['agent', 'install'], {
      cwd: temporaryFolder(),
      env: { TASKEJO_AGENT_SERVER__URL: 'https://tasks.example.org' },
    });
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('no configuration file')]);
  });
});
