import { randomUUIDv7 } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { AgentError } from '../../../src/agent/exit.ts';
import { readKeptResults } from '../../../src/agent/kept-results.ts';
import { lockState } from '../../../src/agent/lock.ts';
import { ensurePrivateFolder, readPrivateFile, writePrivateFile } from '../../../src/agent/private-files.ts';
import { openStore, type TakenTask } from '../../../src/agent/store.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { failed, succeeded } from '../../support/tasks.ts';
import { temporaryFolder } from '../../support/temporary.ts';

let made = 0;
const task = (): TakenTask => ({
  attemptId: `0199f000-0000-7000-8000-${String(++made).padStart(12, '0')}`,
  taskId: randomUUIDv7(),
  number: 1,
  command: ['sh', '-c', 'true'],
  input: 'secret input',
  inputBase64: null,
  environment: { TASKEJO_TOKEN: 'secret' },
  limits: NO_LIMITS,
  sandbox: 'none',
  timeoutSeconds: 5,
  renewSeconds: 10,
});
const mode = (path: string) => statSync(path).mode & 0o777;

describe('what an agent must not forget', () => {
  test('is found again by the next start: what it took, how far that had come', async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const [first, second] = [task(), task()];
    store.take([first, second]);
    store.setMachine(first.attemptId, { storeId: 's', bootId: 'b' });
    store.setProcess(first.attemptId, { pid: 7, startedAt: '1', bootId: 'b' });
    store.close();
    const again = openStore(folder);
    expect(await again.open()).toEqual([
      {
        task: first,
        machine: { storeId: 's', bootId: 'b' },
        process: { pid: 7, startedAt: '1', bootId: 'b' },
        result: null,
      },
      { task: second, machine: null, process: null, result: null },
    ]);
    again.close();
  });

  test('is the request under way until it is answered', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const id = store.requestId();
    expect(store.requestId()).toBe(id);
    store.close();
    const again = openStore(folder);
    expect(again.requestId()).toBe(id);
    again.take([]);
    expect(again.requestId()).not.toBe(id);
    again.close();
  });

  test('taken twice is there once', async () => {
    const store = openStore(temporaryFolder());
    const one = task();
    store.take([one]);
    store.setMachine(one.attemptId, { storeId: 's', bootId: 'b' });
    store.take([one]);
    expect(await store.open()).toHaveLength(1);
    expect((await store.open())[0]?.machine).not.toBeNull();
    store.close();
  });

  test('ends with the report, and takes what the task was given with it', async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const [reported, fenced] = [task(), task()];
    store.take([reported, fenced]);
    for (const one of [reported, fenced]) store.setResult(one.attemptId, succeeded);
    store.leave(reported.attemptId, 'reported');
    store.leave(fenced.attemptId, 'fenced');
    expect(await store.open()).toEqual([]);
    expect(store.leftBefore(0).toSorted()).toEqual([reported.attemptId, fenced.attemptId].toSorted());
    expect(store.leftBefore(60)).toEqual([]);
    for (const one of [reported, fenced]) store.forget(one.attemptId);
    expect(store.leftBefore(0)).toEqual([]);
    store.close();
    const rows = new DatabaseSync(join(folder, 'agent.db')).prepare('select * from attempts').all();
    expect(rows).toMatchObject([{ attempt_id: fenced.attemptId, task: null, result: JSON.stringify(succeeded) }]);
  });

  test('of a result is the first that was said, and results are found in the order in which they came', async () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const [first, second, third] = [task(), task(), task()];
    store.take([first, second, third]);
    store.setResult(third.attemptId, succeeded);
    store.setResult(first.attemptId, failed('exit', 3));
    store.setResult(first.attemptId, succeeded);
    expect((await store.open()).map(({ task, result }) => [task.attemptId, result?.outcome])).toEqual([
      [third.attemptId, 'completed'],
      [first.attemptId, 'failed'],
      [second.attemptId, undefined],
    ]);
    store.close();
  });

  test('are results that the server did not take, for a person to read', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const [reported, fenced, without] = [task(), task(), task()];
    store.take([reported, fenced, without]);
    for (const one of [reported, fenced]) store.setResult(one.attemptId, succeeded);
    store.leave(reported.attemptId, 'reported');
    for (const one of [fenced, without]) store.leave(one.attemptId, 'fenced');
    const kept = { attemptId: fenced.attemptId, taskId: fenced.taskId, number: 1, result: succeeded };
    expect(readKeptResults(folder)).toEqual([{ ...kept, endedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) }]);
    store.close();
    expect(readKeptResults(folder)).toHaveLength(1);
  });

  test('is forgotten of an old result that the server did not take, as soon as its files are gone', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const [gone, there] = [task(), task()];
    store.take([gone, there]);
    for (const one of [gone, there]) {
      store.setResult(one.attemptId, succeeded);
      store.leave(one.attemptId, 'fenced');
    }
    store.forget(gone.attemptId);
    store.dropKept(60);
    expect(readKeptResults(folder)).toHaveLength(2);
    store.dropKept(0);
    expect(readKeptResults(folder)).toEqual([]);
    expect(store.leftBefore(0)).toEqual([there.attemptId]);
    store.forget(there.attemptId);
    store.close();
    const rows = new DatabaseSync(join(folder, 'agent.db')).prepare('select * from attempts').all();
    expect(rows).toEqual([]);
  });

  test('is which store this is, how often it was started, and what it was told for longer than that', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    expect(store).toMatchObject({ startNumber: 1, generation: 0, drained: false });
    store.seeGeneration(3);
    store.seeGeneration(2);
    store.drained = true;
    const { id } = store;
    store.close();
    const again = openStore(folder);
    expect(again).toMatchObject({ id, startNumber: 2, generation: 3, drained: true });
    again.close();
    const other = openStore(temporaryFolder());
    expect(other.id).not.toBe(id);
    other.close();
  });
});

describe('a store that can not be used', () => {
  const path = (folder: string) => join(folder, 'agent.db');
  /** It is refused with a sentence, and not a byte of it is changed. */
  function expectRefused(folder: string, sentence: RegExp) {
    const before = readFileSync(path(folder));
    expect(() => openStore(folder)).toThrow(AgentError);
    expect(() => openStore(folder)).toThrow(sentence);
    expect(readFileSync(path(folder)).equals(before)).toBe(true);
  }
  function damage(folder: string, sql: string) {
    const database = new DatabaseSync(path(folder));
    database.exec(sql);
    database.close();
  }
  function usedStore(): string {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.take(Array.from({ length: 50 }, task));
    store.close();
    return folder;
  }

  test('is one that a newer agent wrote', () => {
    const folder = usedStore();
    damage(folder, 'pragma user_version = 99');
    expectRefused(folder, /agent\.db was written by a newer agent; nothing was changed/);
  });

  test('is a file of something else', () => {
    const folder = temporaryFolder();
    writeFileSync(path(folder), 'no database, but longer than a header must be '.repeat(50));
    expectRefused(folder, /is damaged .*move it aside/);
  });

  test('is one with a page that was overwritten', () => {
    const folder = usedStore();
    const bytes = readFileSync(path(folder));
    bytes.fill(0xff, 4096 + 8, 4096 + 512);
    writeFileSync(path(folder), bytes);
    expectRefused(folder, /is damaged/);
  });

  test('is one with a task that can not be read', async () => {
    const folder = usedStore();
    damage(folder, `update attempts set task = '{"attemptId": 1}' where number = 1`);
    const store = openStore(folder);
    await expect(store.open()).rejects.toThrow(/is damaged \(attempt \S+ can't be read\)/);
    store.close();
  });

  test('is none that is not there: of an agent that never ran nothing can be read', () => {
    expect(() => readKeptResults(temporaryFolder())).toThrow(AgentError);
  });
});

describe('a store of an earlier agent', () => {
  test('is brought up to date with all that stands in it', async () => {
    const folder = temporaryFolder();
    const one = task();
    const database = new DatabaseSync(join(folder, 'agent.db'));
    database.exec(`
      create table attempts (attempt_id text primary key, task text, machine text, process text, result text,
        left_as text check (left_as in ('reported', 'fenced')), left_at integer, cleaned integer not null default 0
      ) strict, without rowid;
      create table request (only_row integer primary key check (only_row = 1), id text not null) strict;
      insert into request values (1, 'under way');
      pragma user_version = 1`);
    database.prepare('insert into attempts (attempt_id, task) values (?, ?)').run(one.attemptId, JSON.stringify(one));
    database.close();
    const store = openStore(folder);
    expect(await store.open()).toMatchObject([{ task: one, result: null }]);
    expect(store.requestId()).toBe('under way');
    store.setResult(one.attemptId, succeeded);
    store.leave(one.attemptId, 'fenced');
    store.close();
    const kept = { attemptId: one.attemptId, taskId: one.taskId, number: 1, result: succeeded };
    expect(readKeptResults(folder)).toMatchObject([kept]);
  });
});

describe('the state of an agent', () => {
  test("is its owner's business alone", () => {
    const folder = join(temporaryFolder(), 'deep', 'state');
    ensurePrivateFolder(folder);
    expect(mode(folder)).toBe(0o700);
    chmodSync(folder, 0o755);
    ensurePrivateFolder(folder);
    expect(mode(folder)).toBe(0o700);
    const path = join(folder, 'identity.json');
    writePrivateFile(path, 'secret');
    expect(mode(path)).toBe(0o600);
    openStore(folder).close();
    expect(mode(join(folder, 'agent.db'))).toBe(0o600);
  });

  test('is not read or written through a link', () => {
    const folder = temporaryFolder();
    const elsewhere = join(folder, 'elsewhere');
    writeFileSync(elsewhere, 'theirs');
    for (const name of ['identity.json', 'agent.db', 'lock', 'agent.db-wal'])
      symlinkSync(elsewhere, join(folder, name));
    expect(() => readPrivateFile(join(folder, 'identity.json'))).toThrow(/link/);
    expect(() => openStore(folder)).toThrow(/link/);
    expect(() => lockState(folder)).toThrow(/link/);
    expect(readFileSync(elsewhere, 'utf8')).toBe('theirs');
    writePrivateFile(join(folder, 'identity.json'), 'ours');
    expect(readFileSync(elsewhere, 'utf8')).toBe('theirs');
  });

  test('is refused where it can not be', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    expect(() => ensurePrivateFolder(join(folder, 'file', 'state'))).toThrow(AgentError);
    expect(() => ensurePrivateFolder(join(folder, 'file'))).toThrow(AgentError);
    mkdirSync(join(folder, 'agent.db'));
    expect(() => openStore(folder)).toThrow(AgentError);
  });
});
