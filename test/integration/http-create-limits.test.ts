import { randomUUIDv7 } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/app.ts';

let app: TestApp;
let earlier: string[];
beforeAll(async () => {
  app = await startTestApp();
  const { json } = await create(Array.from({ length: 101 }, (_, n) => ({ title: `${n}`, command: ['true'] })));
  earlier = json.items.map(({ id }: { id: string }) => id);
});
afterAll(() => app.stop());

const create = (body: unknown) => app.call('POST', '/api/v1/tasks', { body });
const KiB = 1024;
const chars = (n: number, char = 'x') => char.repeat(n);
const names = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, at) => [`N${at}`, 'x']));
/** So many bytes together with the names, in values that are none too large by themselves. */
const bytesTogether = (n: number) =>
  Object.fromEntries(
    ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'].map((name, at) => [name, chars(Math.floor((n + at) / 8) - 1)]),
  );
const words = (n: number) => ['x', ...Array.from({ length: n - 1 }, (_, at) => `${at}`)];

/** What, how a request has so much of it, the most that is taken, and the field that is named beyond. */
const MOST: [what: string, (n: number) => object, most: number, field: string][] = [
  ['characters of a title', (n) => ({ title: chars(n) }), 500, 'title'],
  ['bytes of a body', (n) => ({ body: chars(n) }), KiB * KiB, 'body'],
  ['bytes of a body in two-byte characters', (n) => ({ body: chars(n / 2, 'é') + chars(n % 2) }), KiB * KiB, 'body'],
  ['bytes of an input', (n) => ({ input: chars(n) }), KiB * KiB, 'input'],
  ['bytes of an input that is no text', (n) => ({ input_base64: bytes(n) }), KiB * KiB, 'input_base64'],
  ['arguments', (n) => ({ command: words(n) }), 256, 'command'],
  ['bytes of all arguments', (n) => ({ command: ['x', chars(n - 1)] }), 32 * KiB, 'command'],
  ['names of an environment', (n) => ({ environment: names(n) }), 100, 'environment'],
  ['bytes of a value', (n) => ({ environment: { A: chars(n) } }), 100 * KiB, 'environment.A'],
  ['bytes of an environment', (n) => ({ environment: bytesTogether(n) }), 512 * KiB, 'environment'],
  ['labels', (n) => ({ requires: Array.from({ length: n }, (_, at) => `l${at}`) }), 32, 'requires'],
  ['characters of a label', (n) => ({ requires: [chars(n)] }), 64, 'requires.0'],
  ['dependencies', (n) => ({ depends_on: earlier.slice(0, n) }), 100, 'depends_on'],
  ['seconds of a timeout', (n) => ({ timeout_seconds: n }), 604_800, 'timeout_seconds'],
  ['steps of priority', (n) => ({ priority: n }), 10, 'priority'],
  ['retries', (n) => ({ max_retries: n }), 100, 'max_retries'],
  ['retries of the machinery', (n) => ({ max_infra_retries: n }), 100, 'max_infra_retries'],
  ['seconds between retries', (n) => ({ retry_delay_seconds: n }), 86_400, 'retry_delay_seconds'],
  ['characters of a concurrency key', (n) => ({ concurrency_key: chars(n) }), 255, 'concurrency_key'],
  ['bytes of a schema', (n) => ({ output_schema: { title: chars(n - 12) } }), 64 * KiB, 'output_schema'],
];
const LEAST: typeof MOST = [
  ['characters of a title', (n) => ({ title: chars(n) }), 1, 'title'],
  ['arguments', (n) => ({ command: words(1).slice(0, n) }), 1, 'command'],
  ['seconds of a timeout', (n) => ({ timeout_seconds: n }), 1, 'timeout_seconds'],
  ['steps of priority', (n) => ({ priority: n }), 0, 'priority'],
  ['retries', (n) => ({ max_retries: n }), 0, 'max_retries'],
  ['retries of the machinery', (n) => ({ max_infra_retries: n }), 0, 'max_infra_retries'],
  ['seconds between retries', (n) => ({ retry_delay_seconds: n }), 0, 'retry_delay_seconds'],
  ['bytes of memory', (n) => ({ limits: { memory_bytes: n } }), 1, 'limits.memory_bytes'],
  ['percent of a processor', (n) => ({ limits: { cpu_percent: n } }), 1, 'limits.cpu_percent'],
];
const bytes = (n: number) => Buffer.alloc(n, 0xff).toString('base64');
const task = (fields: object) => ({ title: 'Limits', command: ['true'], ...fields });

/** What no request may hold at all. */
const WRONG: [fields: object, field: string][] = [
  [{ title: undefined }, 'title'],
  [{ title: 'a\0b' }, 'title'],
  [{ title: 'half \ud83d' }, 'title'],
  [{ title: 7 }, 'title'],
  [{ command: undefined }, 'command'],
  [{ command: [''] }, 'command'],
  [{ command: ['a', 'b\0'] }, 'command.1'],
  [{ command: 'true' }, 'command'],
  [{ template: 'any' }, 'command'],
  [{ variables: {} }, 'variables'],
  [{ input: 'half \udc00' }, 'input'],
  [{ input: 'a', input_base64: 'YQ==' }, 'input_base64'],
  [{ input_base64: 'YQ' }, 'input_base64'],
  [{ input_base64: 'Y Q=' }, 'input_base64'],
  [{ environment: { 'A-B': 'x' } }, 'environment.A-B'],
  [{ environment: { '1A': 'x' } }, 'environment.1A'],
  [{ environment: { PATH: 'x' } }, 'environment.PATH'],
  [{ environment: { NODE_OPTIONS: 'x' } }, 'environment.NODE_OPTIONS'],
  [{ environment: { GIT_DIR: 'x' } }, 'environment.GIT_DIR'],
  [{ environment: { BASH_ENV: 'x' } }, 'environment.BASH_ENV'],
  [{ environment: { A: 'a\0' } }, 'environment.A'],
  [{ environment: { A: 7 } }, 'environment.A'],
  [{ environment: { A: { secret: 'NONE' } } }, 'environment.A'],
  [{ requires: ['GPU'] }, 'requires.0'],
  [{ requires: ['a', '.b'] }, 'requires.1'],
  [{ priority: 'highest' }, 'priority'],
  [{ priority: 1.5 }, 'priority'],
  [{ execution_mode: 'docker' }, 'execution_mode'],
  [{ agent_id: 'nobody' }, 'agent_id'],
  [{ timeout_seconds: 1.5 }, 'timeout_seconds'],
  [{ run_after: 'tomorrow' }, 'run_after'],
  [{ run_after: '2099-01-01' }, 'run_after'],
  [{ depends_on: ['one'] }, 'depends_on.0'],
  [{ depends_on: [randomUUIDv7()] }, 'depends_on'],
  [{ on_dependency_failure: 'ignore' }, 'on_dependency_failure'],
  [{ requires_approval: 'yes' }, 'requires_approval'],
  [{ preemptible: 1 }, 'preemptible'],
  [{ limits: { memory: 1 } }, 'limits.memory'],
  [{ limits: { processes: 1.5 } }, 'limits.processes'],
  [{ sandbox: 'chroot' }, 'sandbox'],
  [{ output_schema: [] }, 'output_schema'],
  [{ output_schema: { type: 'objekt' } }, 'output_schema'],
  [{ repository: 'alice/widgets' }, 'repository'],
  [{ id: '0199f000-0000-4000-8000-000000000000' }, 'id'],
  [{ id: randomUUIDv7().toUpperCase() }, 'id'],
  [{ titel: 'x' }, 'titel'],
];

const fieldsOf = ({ status, json }: { status: number; json: { code?: string; errors?: { field: string }[] } }) => [
  status,
  json.code,
  ...(json.errors ?? []).map(({ field }) => field),
];

describe('of a new task', () => {
  it.each(MOST)('so many %s are taken, one more is refused by name', async (_, of, most, field) => {
    expect((await create(task(of(most)))).status).toBe(201);
    expect(fieldsOf(await create(task(of(most + 1))))).toEqual([422, 'invalid', field]);
  });

  it.each(LEAST)('so few %s are taken, one less is refused by name', async (_, of, least, field) => {
    expect((await create(task(of(least)))).status).toBe(201);
    expect(fieldsOf(await create(task(of(least - 1))))).toEqual([422, 'invalid', field]);
  });

  it.each(WRONG)('%j is refused by its name', async (fields, field) => {
    expect(fieldsOf(await create(task(fields)))).toEqual([422, 'invalid', field]);
  });

  it('everything that is wrong is said at once', async () => {
    expect(fieldsOf(await create({ command: [], priority: 11, more: 1 }))).toEqual([
      422,
      'invalid',
      'title',
      'command',
      'priority',
      'more',
    ]);
  });
});

describe('of several tasks', () => {
  const count = async () => {
    const { count } = await app.deps.db
      .selectFrom('tasks')
      .select((eb) => eb.fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow();
    return Number(count);
  };

  it('none is made if one is wrong, wherever it stands, and it is named', async () => {
    const before = await count();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.nat(),
        fc.constantFrom(...WRONG),
        async (size, place, [fields, field]) => {
          const at = place % size;
          const bodies = Array.from({ length: size }, (_, n) => task(n === at ? fields : {}));
          expect(fieldsOf(await create(bodies))).toEqual([422, 'invalid', `${at}.${field}`]);
        },
      ),
      { numRuns: 60 },
    );
    expect(await count()).toBe(before);
  });

  it('a thousand are made, one more and none at all are refused', async () => {
    const many = (n: number) => Array.from({ length: n }, (_, at) => task({ title: `${at}` }));
    const made = await create(many(1000));
    expect(made.status).toBe(201);
    expect(made.json.items.map(({ title }: { title: string }) => title)).toEqual(many(1000).map(({ title }) => title));
    const before = await count();
    expect(fieldsOf(await create(many(1001)))).toEqual([422, 'invalid', 'body']);
    expect(fieldsOf(await create([]))).toEqual([422, 'invalid', 'body']);
    expect(await count()).toBe(before);
  });
});
