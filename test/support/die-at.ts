// Loaded into an agent before its own program (`--import`): it dies, as by kill -9, at the write to its store that a file
// names: `before` or `after`, and words of the statement. The file is empty from then on, so that the next start lives.

import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync, StatementSync } from 'node:sqlite';

const file = process.env.DIE_AT_FILE ?? '';
let committing = false;

function named(when: 'before' | 'after', statement: string): boolean {
  const [asked, ...words] = readFileSync(file, 'utf8').split(' ');
  return asked === when && statement.includes(words.join(' '));
}

function die(): void {
  writeFileSync(file, '');
  process.kill(process.pid, 'SIGKILL');
}

const { run } = StatementSync.prototype;
StatementSync.prototype.run = function (this: StatementSync, ...args: unknown[]) {
  if (named('before', this.sourceSQL)) die();
  committing ||= named('after', this.sourceSQL);
  return run.apply(this, args as Parameters<typeof run>);
};

const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  exec.call(this, sql);
  if (sql === 'commit' && committing) die();
};
