import { rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { endProcesses, removeFolder } from './clean-up.ts';

/*
 * A program of its own that ends what a demo leaves behind when it is killed: it waits until its standard input ends,
 * which the kernel sees to however the demo ends. The lines say what to do then: `folder PATH` for the processes and
 * files of the demo, `file PATH` for a file elsewhere; the last one counts, and `done` means that nothing is left to do.
 */

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
const said = new Map(
  (await text(process.stdin))
    .split('\n')
    .filter((line) => line !== '')
    .map((line): [string, string] => {
      const [word = '', path = ''] = line.split(/ (.*)/s, 2);
      return [word, path];
    }),
);
const file = said.get('file') ?? '';
const folder = said.get('folder') ?? '';
if (!said.has('done')) {
  if (file !== '') rmSync(file, { force: true });
  if (folder !== '') {
    await endProcesses(folder, 15_000);
    await removeFolder(folder);
  }
}
