import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isLoopback, isNetwork, parseListen } from '../../src/config/addresses.ts';
import { ConfigError, type ConfigOptions, loadConfig } from '../../src/config.ts';
import { makeKey } from '../../src/demo/ssh-keys.ts';
import type { Settings } from '../../src/domain/settings.ts';

const FINGERPRINT = `SHA256:${'A'.repeat(43)}`;
let folder: string;
let publicKey: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'taskejo-config-'));
  const pair = makeKey();
  publicKey = pair.public.trim();
  await writeFile(join(folder, 'key'), pair.private);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function load(text: string, options: Partial<ConfigOptions> = {}) {
  const file = join(folder, 'taskejo.yaml');
  await writeFile(file, text);
  return loadConfig({ file, env: {}, ...options });
}

async function mistakes(text: string, options: Partial<ConfigOptions> = {}): Promise<string[]> {
  const error = await load(text, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message.replaceAll(`${join(folder, 'taskejo.yaml')}:`, '').split('\n');
}

const host = (more: string) =>
  `{id: one, address: 192.0.2.1, user: runner, private_key: {file: key}, host_key: "${FINGERPRINT}"${more}}`;

describe('the settings of the server', () => {
  test('have a default each, so that no file is needed', async () => {
    const config = await load('');
    const settings: Settings = config;
    expect(settings.leases).toEqual({ seconds: 30, renewSeconds: 10, sweepSeconds: 2 });
    expect(config).toMatchObject({
      listen: { host: '127.0.0.1', port: 7070 },
      dataDir: join(process.cwd(), 'data'),
      publicUrl: null,
      databaseUrl: null,
      database: { pool: 10, statementTimeoutSeconds: 10, lockTimeoutSeconds: 5 },
      log: { level: 'info', format: null },
      adminToken: null,
      dispatch: {
        tickSeconds: 10,
        pullAfterSeconds: 30,
        policy: 'least_loaded',
        ageingSecondsPerLevel: 86_400,
        avoidSeconds: 60,
      },
      execution: {
        timeoutSeconds: 300,
        killGraceSeconds: 10,
        workspaceKeepSeconds: 86_400,
        capacity: 3,
        retryDelayMaxSeconds: 3600,
      },
      preemption: { gap: 3, minRunSeconds: 60, maxPerTask: 2 },
      ssh: { probeSeconds: 10 },
      hosts: [],
    });
    expect(config.forgejo.rules.map((rule) => rule.on)).toEqual(['issue_label', 'comment']);
  });

  test('describe hosts with their key, and what they do not say is said for all', async () => {
    const config = await load(
      `execution: {capacity: 5}\nssh: {lost_after_seconds: 60}\nhosts: [${host('')}, ${host(', capacity: 1, lost_after_seconds: 9').replace('one', 'two')}]\n`,
    );
    expect(config.hosts[0]).toMatchObject({ id: 'one', port: 22, hostKeys: [FINGERPRINT], labels: [] });
    const privateKey = (await readFile(join(folder, 'key'), 'utf8')).replace(/\n$/, '');
    expect(config.hosts[0]).toMatchObject({ privateKey, jump: null });
    expect(config.hosts.map((one) => [one.capacity, one.lostAfterSeconds])).toEqual([
      [5, 60],
      [1, 9],
    ]);
  });

  test('say how many tasks of a repository may be open, and what callers may do', async () => {
    const { limits, http } = await load('limits: {max_open_per_repository: 5}\nhttp: {bad_tokens_per_minute: 9}\n');
    expect([limits, http]).toEqual([{ maxOpenPerRepository: 5 }, { badTokensPerMinute: 9, connections: 20_000 }]);
    expect((await load('')).limits).toEqual({ maxOpenPerRepository: null });
  });

  test('hold secrets with who may use them', async () => {
    const text =
      'secrets: {KEY: {value: {env: KEY}, templates: [ask], repositories: ["main:alice/*"]}}\n' +
      'templates: [{name: ask, command: [ask], environment: {API: {secret: KEY}}}]\n';
    const { secrets } = await load(text, { env: { KEY: 'open sesame' } });
    expect([...secrets]).toEqual([
      ['KEY', { value: 'open sesame', templates: ['ask'], repositories: ['main:alice/*'] }],
    ]);
    const all = text.replace(', repositories: ["main:alice/*"]', '');
    expect((await load(all, { env: { KEY: 'x' } })).secrets.get('KEY')?.repositories).toBeNull();
  });

  test('never leave undecided tasks to agents when that is said', async () => {
    expect((await load('dispatch: {pull_after_seconds: null}\n')).dispatch.pullAfterSeconds).toBeNull();
  });

  test('take paths in the file from the folder of the file, others from the working directory', async () => {
    expect((await load('data_dir: ./d\n')).dataDir).toBe(join(folder, 'd'));
    expect((await load('data_dir: ./d\n', { env: { TASKEJO_DATA_DIR: 'e' } })).dataDir).toBe(join(process.cwd(), 'e'));
  });

  test('come from flags before the environment before the file', async () => {
    const env = {
      TASKEJO_LISTEN: '127.0.0.1:2',
      TASKEJO_PUBLIC_URL: 'https://t.example.org/',
      DATABASE_URL: 'postgres://db/x',
      TASKEJO_LOG__LEVEL: 'debug',
      TASKEJO_ADMIN_TOKEN: 'x'.repeat(32),
    };
    const config = await load('listen: 127.0.0.1:1\n', { env, flags: { listen: '[::1]:3' } });
    expect(config).toMatchObject({
      listen: { host: '::1', port: 3 },
      publicUrl: 'https://t.example.org',
      databaseUrl: 'postgres://db/x',
      log: { level: 'debug' },
      adminToken: 'x'.repeat(32),
    });
  });

  test('are found by TASKEJO_CONFIG, and a file that is named must be there', async () => {
    await writeFile(join(folder, 'other.yaml'), 'listen: 127.0.0.1:9\n');
    const env = { TASKEJO_CONFIG: join(folder, 'other.yaml') };
    expect((await loadConfig({ env })).listen.port).toBe(9);
    await expect(loadConfig({ env: {}, file: '/nowhere/taskejo.yaml' })).rejects.toThrow('the file does not exist');
  });
});

describe('wrong settings', () => {
  test('of every part are reported together, each at its line', async () => {
    const text = `listen: 0.0.0.0:7070
tls: {cert: x}
leases: {seconds: 5, renew_seconds: 5}
dispatch: {polcy: round_robin}
hosts:
  - ${host('')}
  - ${host(', labels: [GPU]')}
  - {id: two, address: a, user: u, private_key: {env: NO_KEY}, host_key: what}
templates:
  - {name: a, command: [echo], input: "{{ isue.title }}"}
  - {name: a, command: [echo, "{{ issue.title }}"]}
  - {name: b, command: echo}
rules:
  - {on: issue_label, label: x, template: b}
  - {on: issue_label, label: x, template: c}
  - {on: moon}
`;
    const found = await mistakes(text, { env: { TASKEJO_ADMIN_TOKEN: 'short' } });
    expect(found.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      '1:9 listen:',
      '2:1 tls:',
      '3:37 leases.renew_seconds:',
      '4:12 dispatch.polcy:',
      '7:10 hosts[1].id:',
      expect.stringMatching(/^7:\d+ hosts\[1]\.labels\[0]:$/),
      '8:49 hosts[2].private_key:',
      expect.stringMatching(/^8:\d+ hosts\[2]\.host_key:$/),
      '10:39 templates[0].input:',
      '11:12 templates[1].name:',
      '11:31 templates[1].command[1]:',
      '12:24 templates[2].command:',
      '15:43 rules[1].template:',
      '16:10 rules[2].on:',
      'TASKEJO_ADMIN_TOKEN must',
    ]);
    expect(found[3]).toContain('did you mean policy?');
    expect(found[12]).toContain('there is no template c');
    expect(found[13]).toContain('must be one of issue_label, comment');
  });

  test('are a host without a pinned key, and a private key that is none', async () => {
    const text = 'hosts: [{id: a, address: a, user: u, private_key: {env: KEY}}]\n';
    expect(await mistakes(text, { env: { KEY: 'not a key' } })).toEqual([
      '1:9 hosts[0].host_key: is missing: give it, or a known_hosts file',
      '1:51 hosts[0].private_key: is not a private key: Unsupported key format',
    ]);
    expect((await mistakes(text, { env: { KEY: '-----BEGIN ENCRYPTED PRIVATE KEY-----\n' } }))[1]).toContain(
      'is a PKCS#8 key',
    );
  });

  test('are a host that is reached through one that is not there, or through itself', async () => {
    const hosts = ['a, jump: b', 'b, jump: c', 'c, jump: a', 'd, jump: nobody', 'e, jump: a'].map((id) =>
      host('').replace('one', id),
    );
    const found = await mistakes(`hosts:\n${hosts.map((one) => `  - ${one}\n`).join('')}`);
    expect(found.map((line) => line.replace(/^\d+:\d+ /, ''))).toEqual([
      'hosts[0].jump: leads back to the host itself',
      'hosts[1].jump: leads back to the host itself',
      'hosts[2].jump: leads back to the host itself',
      'hosts[3].jump: there is no host nobody',
    ]);
  });

  test('are an address that other machines reach, unless a proxy or plain HTTP is allowed', async () => {
    expect(await mistakes('', { flags: { listen: '192.0.2.1:80' } })).toEqual([
      expect.stringMatching(/^--listen listen: is reached from other machines/),
    ]);
    expect((await load('listen: 0.0.0.0:1\nallow_plain_http: true\n')).listen.host).toBe('0.0.0.0');
    expect((await load('listen: 0.0.0.0:1\ntrusted_proxies: [10.0.0.0/8]\n')).trustedProxies).toEqual(['10.0.0.0/8']);
    expect(await mistakes('trusted_proxies: [10.0.0.0/99]\n')).toHaveLength(1);
  });

  test('are pages open to everybody, unless everybody is on this machine', async () => {
    const open = 'pages: {open_on_loopback: true}\n';
    expect((await load(open)).pages.openOnLoopback).toBe(true);
    expect((await mistakes(`${open}trusted_proxies: [127.0.0.1]\n`))[0]).toMatch(
      /^1:27 pages\.open_on_loopback: opens/,
    );
    expect(await mistakes(`${open}listen: 0.0.0.0:1\nallow_plain_http: true\n`)).toHaveLength(1);
  });

  test('are secrets that templates may not use, each where it is named', async () => {
    const text = `
secrets:
  KEY: {value: {env: KEY}, templates: [ask]}
  GONE: {value: {env: NOT_SET}, templates: [ask, nobody]}
  WRONG: {value: {file: none}, template: ask}
templates:
  - {name: ask, command: [ask], environment: {A: {secret: KEY}, B: {secret: WRONG}, C: {secret: LOST}}}
  - {name: build, command: [make], environment: {A: {secret: KEY}, B: {secrets: KEY}}}
`;
    const found = await mistakes(text, { env: { KEY: 'x' } });
    expect(found.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      '4:17 secrets.GONE.value:',
      '4:50 secrets.GONE.templates[1]:',
      '5:10 secrets.WRONG.templates:',
      '5:18 secrets.WRONG.value:',
      '5:32 secrets.WRONG.template:',
      '7:97 templates[0].environment.C.secret:',
      '8:71 templates[1].environment.B.secret:',
      '8:72 templates[1].environment.B.secrets:',
    ]);
    const strange =
      'secrets: {KEY: {value: {env: KEY}, templates: [ask]}}\ntemplates: [{name: ask, command: [x]}, ' +
      '{name: build, command: [make], environment: {A: {secret: KEY}}}]\n';
    expect(await mistakes(strange, { env: { KEY: 'x' } })).toEqual([
      '2:97 templates[1].environment.A.secret: the template build is not among the templates of KEY',
    ]);
  });

  test('never show a secret', async () => {
    const text = 'forges: [{name: m, url: "http://u:hunter2@x", webhook_secrets: [hunter2]}]\ndatabase_url: hunter2\n';
    expect((await mistakes(text)).join('\n')).not.toContain('hunter2');
  });
});

test('an address to listen on is a host and a port', () => {
  expect(parseListen('[::1]:0')).toEqual({ host: '::1', port: 0 });
  expect(parseListen('localhost:80')).toEqual({ host: 'localhost', port: 80 });
  for (const wrong of ['80', ':80', '127.0.0.1', '127.0.0.1:70000', '::1:80', '[1]:2', 'http://x:1']) {
    expect(parseListen(wrong), wrong).toBeNull();
  }
  expect(['127.9.9.9', '::1', 'localhost'].every(isLoopback)).toBe(true);
  expect(['0.0.0.0', '::', 'example.org', '::ffff:192.0.2.1'].some(isLoopback)).toBe(false);
  expect(['10.0.0.1', '10.0.0.0/8', 'fd00::/7'].every(isNetwork)).toBe(true);
  expect(['10.0.0.0/33', 'x', '10.0.0.0/'].some(isNetwork)).toBe(false);
});

describe('a host', () => {
  const hostWith = (keys: string) => `hosts: [{id: one, address: 192.0.2.1, user: runner, ${keys}}]\n`;
  const PIN = `host_key: "${FINGERPRINT}"`;

  test('may be reached through another, each for itself or all through one', async () => {
    const [jump, one, two] = [host('').replace('one', 'jump'), host(''), host(', jump: null').replace('one', 'two')];
    const ways = async (text: string) => (await load(text)).hosts.map((each) => each.jump);
    expect(await ways(`hosts: [${jump}, ${host(', jump: jump')}]\n`)).toEqual([null, 'jump']);
    expect(await ways(`ssh: {jump: jump}\nhosts: [${jump}, ${one}, ${two}]\n`)).toEqual([null, 'jump', null]);
  });

  test('is known by its key, or by a known_hosts file of its own or of all', async () => {
    const keys = 'private_key: {file: key}';
    const hostKeys = async (text: string) => (await load(text)).hosts[0]?.hostKeys;
    expect(await hostKeys(hostWith(`${keys}, known_hosts: known`))).toEqual({ knownHosts: join(folder, 'known') });
    const forAll = 'ssh: {known_hosts: /etc/ssh/known}\n';
    expect(await hostKeys(forAll + hostWith(keys))).toEqual({ knownHosts: '/etc/ssh/known' });
    expect(await hostKeys(forAll + hostWith(`${keys}, ${PIN}`))).toEqual([FINGERPRINT]);
    expect(await mistakes(hostWith(`${keys}, ${PIN}, known_hosts: known`))).toEqual([
      expect.stringMatching(/hosts\[0]\.known_hosts: stands beside host_key: say one of them$/),
    ]);
  });

  test('is signed in to with a key, which may have a passphrase', async () => {
    const { private: key } = makeKey('open sesame');
    const env = { KEY: key, PASS: 'open sesame', WRONG: 'sesame' };
    const [config] = (await load(hostWith(`private_key: {env: KEY}, passphrase: {env: PASS}, ${PIN}`), { env })).hosts;
    expect(config).toMatchObject({ privateKey: key, passphrase: 'open sesame' });
    expect(await mistakes(hostWith(`private_key: {env: KEY}, passphrase: {env: WRONG}, ${PIN}`), { env })).toEqual([
      expect.stringMatching(/hosts\[0]\.passphrase: does not open the private key$/),
    ]);
    expect(await mistakes(hostWith(`private_key: {env: KEY}, ${PIN}`), { env })).toEqual([
      expect.stringMatching(/hosts\[0]\.private_key: has a passphrase: give that too$/),
    ]);
  });

  test('is signed in to by an ssh-agent, by any of its keys or by one', async () => {
    const env = { SSH_AUTH_SOCK: '/run/agent' };
    const [any] = (await load(hostWith(`ssh_agent: {env: SSH_AUTH_SOCK}, ${PIN}`), { env })).hosts;
    expect(any).toMatchObject({ agentSocket: '/run/agent' });
    const [one] = (await load(hostWith(`ssh_agent: /run/agent, public_key: "${publicKey}", ${PIN}`))).hosts;
    expect(one).toMatchObject({ agentSocket: '/run/agent', publicKey });
    expect(await mistakes(hostWith(`ssh_agent: /run/agent, private_key: {file: key}, ${PIN}`))).toEqual([
      expect.stringMatching(/hosts\[0]\.private_key: stands beside ssh_agent: say one of them$/),
    ]);
    expect(await mistakes(hostWith(`ssh_agent: {env: SSH_AUTH_SOCK}, ${PIN}`))).toEqual([
      expect.stringMatching(/hosts\[0]\.private_key: is missing: give it, or an ssh_agent that is set$/),
    ]);
  });

  test('is not signed in to with a certificate, which is said in these words', async () => {
    const env = { KEY: 'ssh-ed25519-cert-v01@openssh.com AAAA me', PUBLIC: publicKey };
    const word = /is a certificate: client certificates are not supported, give the key itself$/;
    expect(await mistakes(hostWith(`private_key: {env: KEY}, ${PIN}`), { env })).toEqual([expect.stringMatching(word)]);
    const line = 'ssh_agent: /run/agent, public_key: "ssh-ed25519-cert-v01@openssh.com AAAA me"';
    expect(await mistakes(hostWith(`${line}, ${PIN}`))).toEqual([expect.stringMatching(word)]);
    expect(await mistakes(hostWith(`private_key: {env: PUBLIC}, ${PIN}`), { env })).toEqual([
      expect.stringMatching(/is a public key: give the private one$/),
    ]);
  });
});

test('a host key is pinned by its fingerprint or by a whole line, with or without name and comment', async () => {
  const [type, blob] = publicKey.split(' ');
  const lines = [`${type} ${blob}`, `${type} ${blob} a comment`, `[host]:22 ${type} ${blob}`, FINGERPRINT];
  const hosts = (key: string) => `hosts: [${host('').replace(FINGERPRINT, key)}]\n`;
  for (const line of lines) expect((await load(hosts(line))).hosts[0]?.hostKeys).toEqual([line]);
  for (const wrong of ['', 'MD5:aa:bb', 'SHA256:short', `ssh-rsa ${blob}`, 'ssh-ed25519', `${type} ???`]) {
    expect((await mistakes(hosts(wrong)))[0], wrong).toMatch(/hosts\[0]\.host_key: a host key is neither/);
  }
});
