import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ConfigError, readYamlConfig, type YamlConfigOptions } from '../../src/yaml-file.ts';

const secret = z.string().min(1).meta({ secret: true });
const schema = z.strictObject({
  listen: z.string().default('127.0.0.1:1'),
  database_url: z.string().meta({ secret: 'if set' }).nullable().default(null),
  leases: z
    .strictObject({ seconds: z.int().min(1).default(30), renew_seconds: z.int().min(1).default(10) })
    .prefault({}),
  pause: z.int().nullable().default(5),
  loud: z.boolean().default(false),
  labels: z.array(z.string()).default([]),
  hosts: z
    .array(
      z.strictObject({
        id: z.string().min(1),
        port: z.int().max(65_535).default(22),
        key: secret,
        pins: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
      }),
    )
    .default([]),
  secrets: z.array(secret).default([]),
  colours: z.record(z.string().regex(/^[a-z]+$/, 'must be a word'), z.enum(['red', 'blue'])).default({}),
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'taskejo-yaml-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Options = Partial<YamlConfigOptions<z.output<typeof schema>>> & { mode?: number };

async function read(text: string, { mode = 0o644, ...options }: Options = {}) {
  const path = join(folder, 'settings.yaml');
  await writeFile(path, text);
  await chmod(path, mode);
  return readYamlConfig({ path, schema, env: {}, envPrefix: 'APP_', ...options });
}

/** The lines of the error, with the file's name left out. */
async function mistakes(text: string, options: Options = {}): Promise<string[]> {
  const error = await read(text, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message.replaceAll(`${join(folder, 'settings.yaml')}:`, '').split('\n');
}

describe('a file of settings', () => {
  test('is read, and what it leaves out has its default', async () => {
    const { value } = await read('leases:\n  seconds: 5\nlabels: [a, b]\n');
    expect(value.leases).toEqual({ seconds: 5, renew_seconds: 10 });
    expect(value.labels).toEqual(['a', 'b']);
    expect(value.listen).toBe('127.0.0.1:1');
  });

  test('may be empty, and a key with nothing after it counts as left out', async () => {
    expect((await read('')).value.leases.seconds).toBe(30);
    const { value } = await read('hosts:\nleases:\npause:\n');
    expect(value.hosts).toEqual([]);
    expect(value.pause).toBeNull();
  });

  test('tells who gave a value', async () => {
    const { saidBy } = await read('listen: x\nloud: true\n', { env: { APP_LOUD: 'false' } });
    expect([saidBy(['listen']), saidBy(['loud']), saidBy(['leases'])]).toEqual(['file', 'override', 'default']);
  });
});

describe('mistakes', () => {
  test('are reported all at once, each with its line and column, in the order of the file', async () => {
    const text = ['leases:', '  seconds: soon', '  renew_seconds: 0', 'hosts:', '  - port: 70000', 'loud: 1', ''].join(
      '\n',
    );
    expect(await mistakes(text)).toEqual([
      '2:12 leases.seconds: must be a number, not text',
      '3:18 leases.renew_seconds: must be at least 1',
      '5:5 hosts[0].id: is missing',
      '5:5 hosts[0].key: is missing',
      '5:11 hosts[0].port: must be at most 65535',
      '6:7 loud: must be true or false, not a number',
    ]);
  });

  test('of spelling name the nearest known key', async () => {
    expect(await mistakes('listne: x\nhosts:\n  - {id: a, key: {env: K}, prot: 1}\n', { env: { K: 'k' } })).toEqual([
      '1:1 listne: unknown key "listne", did you mean listen?',
      '3:28 hosts[0].prot: unknown key "prot", did you mean port?',
    ]);
    expect(await mistakes('leases: {zzz: 1}\n')).toEqual([
      '1:10 leases.zzz: unknown key "zzz"; known here: seconds, renew_seconds',
    ]);
  });

  test('are a key given twice, a wrong indentation, a second document', async () => {
    expect(await mistakes('listen: a\nloud: true\nlisten: b\n')).toEqual([
      '3:1 this key is given twice in the same map',
    ]);
    expect((await mistakes('leases:\n  seconds: 1\n renew_seconds: 2\n'))[0]).toMatch(/^3:\d+ /);
    expect((await mistakes('listen: a\n---\nlisten: b\n'))[0]).toMatch(/^2:1 /);
  });

  test('are a file that holds no map, that is not there, that is not text', async () => {
    expect(await mistakes('- a\n- b\n')).toEqual(['1:1 must be a map, not a list']);
    await expect(read('', { path: join(folder, 'none.yaml') })).rejects.toThrow('none.yaml the file does not exist');
    await writeFile(join(folder, 'bytes.yaml'), Buffer.from([0xff, 0xfe, 0x00]));
    await expect(read('', { path: join(folder, 'bytes.yaml') })).rejects.toThrow('the file is not UTF-8');
  });

  test('in one of several kinds are judged by the kind that the value resembles', async () => {
    const host = (pins: string) => `hosts:\n  - {id: a, key: {env: K}, pins: ${pins}}\n`;
    expect(await mistakes(host('[]'), { env: { K: 'k' } })).toEqual(['2:34 hosts[0].pins: must not be empty']);
    expect(await mistakes(host('3'), { env: { K: 'k' } })).toEqual([
      '2:34 hosts[0].pins: must be text, not a number, or must be a list, not a number',
    ]);
  });

  test('in names and words say what is allowed', async () => {
    expect(await mistakes('colours: {A1: red, sky: grey}\n')).toEqual([
      '1:11 colours.A1: the name must be a word',
      '1:25 colours.sky: must be one of red, blue',
    ]);
  });

  test('across the settings are reported beside the others', async () => {
    const check = () => [{ path: ['hosts', 0, 'id'], message: 'is there twice' }];
    expect(await mistakes('loud: 1\nhosts: [{id: a}]\n', { check })).toEqual([
      '1:7 loud: must be true or false, not a number',
      '2:9 hosts[0].key: is missing',
      '2:14 hosts[0].id: is there twice',
    ]);
  });
});

describe('the environment', () => {
  test('goes before the file, flags before both', async () => {
    const env = {
      APP_LISTEN: 'env',
      APP_LEASES__SECONDS: '7',
      APP_LOUD: 'true',
      APP_LABELS: 'a, b',
      APP_PAUSE: 'null',
    };
    const flags = [{ name: '--listen', path: ['listen'], value: 'flag' }];
    const { value } = await read('listen: file\nleases: {seconds: 1, renew_seconds: 2}\n', { env, flags });
    expect(value).toMatchObject({ listen: 'flag', loud: true, labels: ['a', 'b'], pause: null });
    expect(value.leases).toEqual({ seconds: 7, renew_seconds: 2 });
  });

  test('is enough without a file', async () => {
    const env = { APP_HOSTS: '[{"id": "a", "key": "k"}]', URL_OF_DB: 'postgres://x', APP_LISTEN: '' };
    const options = { path: null, env, envNames: { URL_OF_DB: ['database_url'] } };
    const { value } = await read('', options);
    expect(value.hosts[0]).toEqual({ id: 'a', port: 22, key: 'k' });
    expect(value).toMatchObject({ database_url: 'postgres://x', listen: '127.0.0.1:1' });
  });

  test('is named when it is wrong, and what belongs to other programs is left alone', async () => {
    const env = { APP_LEASES__SECOND: '1', APP_LOUD: 'yes', APP_HOSTS: 'a,b', APP_OTHER: 'x', APP_COLOURS: '{' };
    expect(await mistakes('', { env })).toEqual([
      'APP_COLOURS colours: must be JSON',
      'APP_HOSTS hosts: must be JSON: a list of maps',
      'APP_LEASES__SECOND leases.second: unknown key "second", did you mean seconds?',
      'APP_LOUD loud: must be true or false, not text',
    ]);
  });

  test('is what a missing key is asked from when there is no file', async () => {
    const strict = {
      path: null,
      schema: z.strictObject({ server: z.strictObject({ url: z.string() }).prefault({} as never) }),
    };
    await expect(readYamlConfig({ ...strict, env: {}, envPrefix: 'APP_' })).rejects.toThrow(
      'settings server.url: is missing; set APP_SERVER__URL',
    );
  });
});

describe('a secret', () => {
  test('comes from a variable, or from a file beside the settings without its last newline', async () => {
    await writeFile(join(folder, 'key'), 'line 1\nline 2\n\n');
    const { value } = await read('secrets: [{env: ONE}, {file: key}]\n', { env: { ONE: 'first' } });
    expect(value.secrets).toEqual(['first', 'line 1\nline 2\n']);
  });

  test('that is not there is one mistake, at its line', async () => {
    await writeFile(join(folder, 'empty'), '\n');
    expect(await mistakes('secrets:\n  - {env: NONE}\n  - {file: none}\n  - {file: empty}\n  - {envs: X}\n')).toEqual([
      '2:5 secrets[0]: the environment variable NONE is not set',
      '3:5 secrets[1]: the file none does not exist',
      '4:5 secrets[2]: the file empty is empty',
      '5:5 secrets[3]: must be {env: NAME} or {file: PATH}',
    ]);
  });

  test('in plain text needs a file that nobody else may read', async () => {
    expect((await read('secrets: [abc]\n', { mode: 0o600 })).value.secrets).toEqual(['abc']);
    const [line] = await mistakes('secrets: [abc]\n', { mode: 0o640 });
    expect(line).toMatch(/^1:11 secrets\[0]: is a secret in a file that others may read/);
    expect(line).not.toContain('abc');
  });

  test('that is one only at times may stand in the file, and counts as left out when its variable is not set', async () => {
    expect((await read('database_url: postgres://x\n')).value.database_url).toBe('postgres://x');
    expect((await read('database_url: {env: NONE}\n')).value.database_url).toBeNull();
  });

  test('is no key of a map that is not a secret', async () => {
    expect(await mistakes('listen: {env: X}\n', { env: { X: 'y' } })).toEqual(['1:9 listen: must be text, not a map']);
  });
});
