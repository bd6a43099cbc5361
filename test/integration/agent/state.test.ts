import { randomUUIDv7 } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { AgentError } from '../../../src/agent/exit.ts';
import { lockState } from '../../../src/agent/lock.ts';
import { ensurePrivateFolder, readPrivateFile, writePrivateFile } from '../../../src/agent/private-files.ts';
import { openStore, type TakenTask } from '../../../src/agent/store.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { succeeded } from '../../support/tasks.ts';
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
  test('is found again by the next start: what it took, how far that had come', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const [first, second] = [task(), task()];
    store.take([first, second]);
    store.setMachine(first.attemptId, { storeId: 's', bootId: 'b' });
    store.setProcess(first.attemptId, { pid: 7, startedAt: '1', bootId: 'b' });
    store.close();
    const again = openStore(folder);
    expect(again.open()).toEqual([
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

  test('taken twice is there once', () => {
    const store = openStore(temporaryFolder());
    const one = task();
    store.take([one]);
    store.setMachine(one.attemptId, { storeId: 's', bootId: 'b' });
    store.take([one]);
    expect(store.open()).toHaveLength(1);
    expect(store.open()[0]?.machine).not.toBeNull();
    store.close();
  });

  test('ends with the report, and takes what the task was given with it', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    const [reported, fenced] = [task(), task()];
    store.take([reported, fenced]);
    for (const one of [reported, fenced]) store.setResult(one.attemptId, succeeded);
    store.leave(reported.attemptId, 'reported');
    store.leave(fenced.attemptId, 'fenced');
    expect(store.open()).toEqual([]);
    expect(store.leftBefore(0).toSorted()).toEqual([reported.attemptId, fenced.attemptId].toSorted());
    expect(store.leftBefore(60)).toEqual([]);
    for (const one of [reported, fenced]) store.forget(one.attemptId);
    expect(store.leftBefore(0)).toEqual([]);
    store.close();
    const rows = new DatabaseSync(join(folder, 'agent.db')).prepare('select * from attempts').all();
    expect(rows).toMatchObject([{ attempt_id: fenced.attemptId, task: null, result: JSON.stringify(succeeded) }]);
  });

  test('is refused when a newer agent wrote it, or something else did', () => {
    const newer = temporaryFolder();
    const database = new DatabaseSync(join(newer, 'agent.db'));
    database.exec('pragma user_version = 99');
    database.close();
    expect(() => openStore(newer)).toThrow(AgentError);
    const broken = temporaryFolder();
    writeFileSync(join(broken, 'agent.db'), 'no database, but longer than a header must be '.repeat(50));
    expect(() => openStore(broken)).toThrow(AgentError);
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
    for (const name of ['identity.json', 'agent.db', 'lock']) symlinkSync(elsewhere, join(folder, name));
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
