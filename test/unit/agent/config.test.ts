import { chmodSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type AgentConfig, loadAgentConfig } from '../../../src/agent/config.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { ConfigError } from '../../../src/yaml-file.ts';
import { temporaryFolder } from '../../support/temporary.ts';

function file(text: string, mode = 0o600): string {
  const path = join(temporaryFolder(), 'agent.yaml');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const load = (text: string, env: Record<string, string> = {}, mode?: number): Promise<AgentConfig> =>
  loadAgentConfig({ file: file(text, mode), env });

async function mistakes(text: string, env: Record<string, string> = {}, mode?: number): Promise<string[]> {
  const error: unknown = await load(text, env, mode).catch((caught: unknown) => caught);
  if (!(error instanceof ConfigError)) throw new Error(`not refused: ${String(error)}`);
  return error.mistakes.map(
    ({ where, path, message }) => `${where.replace(/^.*agent\.yaml:/, '')} ${path}: ${message}`,
  );
}

const LEAST = 'server: {url: "https://tasks.example.org/", registration_token: {env: REG}}\n';

describe('the settings of the agent', () => {
  test('have a default for everything but the server', async () => {
    const config = await load(`${LEAST}state_dir: /srv/agent\n`, { REG: 'r', LANG: 'de_DE.UTF-8' });
    expect(config).toEqual({
      file: expect.stringMatching(/agent\.yaml$/),
      secretFiles: [],
      strangeVariables: [],
      server: {
        url: 'https://tasks.example.org',
        registrationToken: 'r',
        token: null,
        timeoutSeconds: 30,
        caFile: null,
      },
      name: hostname(),
      labels: [],
      capacity: 3,
      workDir: '/srv/agent/work',
      stateDir: '/srv/agent',
      waitSeconds: 30,
      log: { level: 'info', format: null },
      limits: NO_LIMITS,
      policy: { allowedCommands: [], deniedPatterns: [] },
      sandbox: 'none',
      container: { program: 'podman', image: null },
      environment: { LANG: 'de_DE.UTF-8' },
      localApi: { socket: '/srv/agent/agent.sock', listen: null },
      resultsSeconds: 30 * 86_400,
      stopGraceSeconds: 30,
      killGraceSeconds: 10,
    });
  });

  test('may all stand in the file', async () => {
    const config = await load(
      `
server: {url: "http://127.0.0.1:7070", token: tkj_agent_x, timeout_seconds: 5, ca_file: /etc/ssl/ours.pem}
name: laptop
labels: [linux, gpu]
capacity: 8
work_dir: /srv/work
state_dir: /srv/agent
poll: {wait_seconds: 0}
log: {level: debug, format: json}
limits: {cpu_percent: 150, memory_bytes: 1000000, processes: null, file_size_bytes: 5}
security: {allowed_commands: [make], denied_patterns: ["\\\\bsudo\\\\b"]}
sandbox: container
container: {program: docker, image: "debian:13"}
local_api: {socket: /run/a.sock, listen: "127.0.0.1:7071"}
environment: {pass: [LANG, HTTP_PROXY], set: {A: "1"}}
stop_grace_seconds: 1
kill_grace_seconds: 2
`,
      { HTTP_PROXY: 'http://proxy', LD_PRELOAD: 'evil.so' },
    );
    expect(config).toMatchObject({
      server: { token: 'tkj_agent_x', registrationToken: null, timeoutSeconds: 5, caFile: '/etc/ssl/ours.pem' },
      name: 'laptop',
      labels: ['linux', 'gpu'],
      capacity: 8,
      workDir: '/srv/work',
      waitSeconds: 0,
      limits: { cpuPercent: 150, memoryBytes: 1_000_000, processes: null, fileSizeBytes: 5 },
      policy: { allowedCommands: ['make'], deniedPatterns: ['\\bsudo\\b'] },
      sandbox: 'container',
      container: { program: 'docker', image: 'debian:13' },
      localApi: { socket: '/run/a.sock', listen: '127.0.0.1:7071' },
      environment: { HTTP_PROXY: 'http://proxy', A: '1' },
    });
    expect(Object.keys(config.environment)).toEqual(['HTTP_PROXY', 'A']);
  });

  test('hold paths that are relative to the file, where the file says them', async () => {
    const path = file(`${LEAST}state_dir: state\nlocal_api: {socket: a.sock}\n`);
    const config = await loadAgentConfig({ file: path, env: { REG: 'r', TASKEJO_AGENT_WORK_DIR: 'work' } });
    expect(config.stateDir).toBe(join(dirname(path), 'state'));
    expect(config.localApi.socket).toBe(join(dirname(path), 'a.sock'));
    expect(config.workDir).toBe(resolve('work'));
  });

  test('need no registration token where its variable is not set: it is for the first start', async () => {
    expect(await load(LEAST)).toMatchObject({ server: { registrationToken: null } });
    expect(await mistakes('server: {url: "https://a", registration_token: a-secret}\n', {}, 0o644)).toEqual([
      expect.stringContaining('is a secret in a file that others may read'),
    ]);
  });

  test('are not what a variable says that is none of theirs: it is told of', async () => {
    const env = { REG: 'r', TASKEJO_AGENT_SECURTIY__ALLOWED_COMMANDS: 'make', TASKEJO_AGENT_ALLOWED_COMMANDS: '' };
    expect((await load(LEAST, env)).strangeVariables).toEqual([
      'TASKEJO_AGENT_SECURTIY__ALLOWED_COMMANDS sets nothing: unknown key "securtiy", did you mean security?',
    ]);
  });

  test('may all stand in the environment, which wins over the file', async () => {
    const env = {
      TASKEJO_AGENT_SERVER__URL: 'https://other.example.org',
      TASKEJO_AGENT_SERVER__REGISTRATION_TOKEN: 'from the environment',
      TASKEJO_AGENT_LABELS: 'linux, gpu',
      TASKEJO_AGENT_CAPACITY: '1',
      TASKEJO_AGENT_ENVIRONMENT__SET: '{"A": "1"}',
      TASKEJO_AGENT_STATE_DIR: '/srv/agent',
    };
    const expected = {
      server: { url: 'https://other.example.org', registrationToken: 'from the environment' },
      labels: ['linux', 'gpu'],
      capacity: 1,
      environment: { A: '1' },
      stateDir: '/srv/agent',
    };
    expect(await load('capacity: 9\nserver: {url: "https://tasks.example.org"}\n', env)).toMatchObject(expected);
    expect(await loadAgentConfig({ env })).toMatchObject(expected);
  });
});

describe('wrong settings of the agent', () => {
  test('are all said at once, with their lines', async () => {
    const found = await mistakes(`
server:
  url: ftp://tasks.example.org
  tokn: x
labels: [Linux]
capacity: 0
environment:
  set: {"A-B": "1", TASKEJO_TOKEN: mine}
stop_grace_seconds: -1
`);
    expect(found).toEqual([
      expect.stringMatching(/^3:8 server\.url: must be an http or https address/),
      expect.stringMatching(/^4:3 server\.tokn: unknown key "tokn", did you mean token\?/),
      expect.stringMatching(/^5:10 labels\[0\]: /),
      expect.stringMatching(/^6:11 capacity: must be at least 1/),
      expect.stringMatching(/^8:9 environment\.set\.A-B: /),
      expect.stringMatching(/^8:21 environment\.set\.TASKEJO_TOKEN: /),
      expect.stringMatching(/^9:21 stop_grace_seconds: must be at least 0/),
    ]);
  });

  test('are a pattern that could take for ever, an address for others, a container without an image', async () => {
    const found = await mistakes(
      `${LEAST}security: {denied_patterns: ["(a)\\\\1"]}\nlocal_api: {listen: "0.0.0.0:1"}\nsandbox: container\n`,
      { REG: 'r' },
    );
    expect(found).toEqual([
      expect.stringMatching(/container\.image: is needed/),
      expect.stringMatching(/^2:30 security\.denied_patterns\[0\]: .*linear time/),
      expect.stringMatching(/^3:21 local_api\.listen: .*for itself/),
    ]);
    expect(await mistakes(`${LEAST}local_api: {listen: "127.0.0.1:65536"}\n`, { REG: 'r' })).toEqual([
      expect.stringMatching(/^2:21 local_api\.listen: .*for itself/),
    ]);
  });

  test('are a missing server, two credentials, a missing variable', async () => {
    expect(await mistakes('capacity: 1\n')).toEqual([expect.stringContaining('server: is missing')]);
    expect(await mistakes('server: {url: "https://a", token: a, registration_token: b}\n')).toEqual([
      expect.stringContaining('not both'),
    ]);
    expect(await mistakes('server: {url: "https://a", token: {env: TOK}}\n')).toEqual([
      expect.stringContaining('TOK is not set'),
    ]);
  });

  test('are a server on another machine that is spoken to in the clear, unless its owner says so', async () => {
    for (const url of ['http://tasks.example.org', 'http://192.0.2.1:7070', 'http://127.0.0.1.example.org']) {
      expect(await mistakes(`server: {url: "${url}"}\n`)).toEqual([
        expect.stringMatching(/^1:15 server\.url: .*in the clear: give its https address, or say server\.allow_plain/),
      ]);
      const allowed = await load(`server: {url: "${url}", allow_plain_http: true}\n`);
      expect(allowed.server.url).toBe(url);
    }
    for (const url of ['http://localhost:1', 'http://127.3.2.1', 'http://[::1]:7070', 'https://tasks.example.org']) {
      expect((await load(`server: {url: "${url}"}\n`)).server.url).toBe(url);
    }
    const env = { TASKEJO_AGENT_SERVER__ALLOW_PLAIN_HTTP: 'true' };
    await expect(load('server: {url: "http://tasks.example.org"}\n', env)).resolves.toBeDefined();
  });

  test('are a secret in a file that others may read', async () => {
    expect(await mistakes('server: {url: "https://a", token: a-secret}\n', {}, 0o644)).toEqual([
      expect.not.stringContaining('a-secret'),
    ]);
    expect(await load(LEAST, { REG: 'r' }, 0o644)).toMatchObject({ server: { registrationToken: 'r' } });
  });

  test('are a file that is not there', async () => {
    const missing = loadAgentConfig({ file: '/nonexistent/agent.yaml', env: {} });
    await expect(missing).rejects.toThrow(/agent\.yaml/);
  });
});
