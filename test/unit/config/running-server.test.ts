import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findServer, noteServer } from '../../../src/config/running-server.ts';
import { temporaryFolder } from '../../support/temporary.ts';

test('a server is found while it runs, by its own folder', () => {
  const folder = temporaryFolder();
  expect(findServer(folder)).toBeNull();
  const forget = noteServer(join(folder, 'data'));
  expect(findServer(join(folder, 'data'))).toBe(process.pid);
  forget();
  expect(findServer(join(folder, 'data'))).toBeNull();
});

test('a process that has the pid of a server that is gone is not taken for it', () => {
  const folder = temporaryFolder();
  noteServer(folder);
  const file = join(folder, 'server.pid');
  writeFileSync(file, `${process.pid} 1\n`);
  expect(findServer(folder)).toBeNull();
  writeFileSync(file, '1\n');
  expect(findServer(folder)).toBeNull();
  writeFileSync(file, '-1 null\n');
  expect(findServer(folder)).toBeNull();
});

test('a server takes away its own note and no other', () => {
  const folder = temporaryFolder();
  const forget = noteServer(folder);
  const file = join(folder, 'server.pid');
  writeFileSync(file, 'another one\n');
  forget();
  expect(readFileSync(file, 'utf8')).toBe('another one\n');
});
