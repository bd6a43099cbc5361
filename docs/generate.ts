import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeApi } from '../src/http/app.ts';
import { generateCommandLine } from './generate-command-line.ts';
import { generateConfiguration } from './generate-configuration.ts';
import { generateErrors } from './generate-errors.ts';

/*
 * Writes the pages that follow from the code. With --check it writes nothing, names those that are out of date, and
 * ends with 1 if there are any.
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const check = process.argv.includes('--check');

const pages: Record<string, () => string | Promise<string>> = {
  'docs/api/openapi.json': async () => `${JSON.stringify(describeApi(await version()), null, 2)}\n`,
  'docs/api/errors.md': generateErrors,
  'docs/command-line.md': generateCommandLine,
  'docs/configuration.md': generateConfiguration,
};

for (const [path, generate] of Object.entries(pages)) {
  const file = join(root, path);
  const text = await generate();
  if ((await readFile(file, 'utf8').catch(() => null)) === text) continue;
  if (check) {
    console.error(`${path} is out of date: run npm run generate`);
    process.exitCode = 1;
    continue;
  }
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  console.log(`wrote ${path}`);
}

async function version(): Promise<string> {
  const text = await readFile(join(root, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
