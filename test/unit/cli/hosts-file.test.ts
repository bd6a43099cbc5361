import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { changeFile } from '../../../src/cli/hosts/file.ts';
import { temporaryFolder } from '../../support/temporary.ts';

const file = (text = 'old\n') => {
  const path = join(temporaryFolder(), 'taskejo.yaml');
  writeFileSync(path, text, { mode: 0o640 });
  chmodSync(path, 0o640);
  return path;
};
const more = (text: string) => `${text}new\n`;

test('a file is changed as a whole, under its name and with its rights, also behind a link', async () => {
  const path = file();
  const link = join(temporaryFolder(), 'link.yaml');
  symlinkSync(path, link);
  await changeFile(link, {
    change: more,
    async check(draft) {
      expect(readFileSync(draft, 'utf8')).toBe('old\nnew\n');
      expect(readFileSync(path, 'utf8')).toBe('old\n');
    },
  });
  expect(readFileSync(path, 'utf8')).toBe('old\nnew\n');
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(existsSync(`${path}.new`)).toBe(false);
});

test('a file that is not there yet is made, for its owner alone', async () => {
  const path = join(temporaryFolder(), 'taskejo.yaml');
  await changeFile(path, { change: more, check: async () => {} });
  expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['new\n', 0o600]);
});

test('what the check refuses leaves the file as it was, and no draft', async () => {
  const path = file();
  const check = () => Promise.reject(new Error('it is wrong'));
  await expect(changeFile(path, { change: more, check })).rejects.toThrow('it is wrong');
  expect([readFileSync(path, 'utf8'), existsSync(`${path}.new`)]).toEqual(['old\n', false]);
});

test('of two who change a file at once one is refused, and nothing is lost', async () => {
  const path = file();
  const inside = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const first = changeFile(path, {
    change: more,
    async check() {
      inside.resolve();
      await go.promise;
    },
  });
  await inside.promise;
  await expect(changeFile(path, { change: () => 'gone', check: async () => {} })).rejects.toThrow('somebody changes');
  go.resolve();
  await first;
  expect(readFileSync(path, 'utf8')).toBe('old\nnew\n');
});
