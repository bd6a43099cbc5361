import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type Import, importsOf, parseImports, sourceFiles } from '../support/imports.ts';

/**
 * What each part may import of the others: `server → (http | loops | dashboard) → usecases → store → domain`, and
 * nothing points back. A part is a folder of `src`, or a file at its top.
 */
const allowed: Record<string, readonly string[]> = {
  domain: [],
  contract: ['domain'],
  store: ['domain'],
  usecases: ['store', 'domain', 'forgejo, the pure part'],
  executor: ['domain', 'contract'],
  forgejo: ['domain', 'contract'],
  loops: ['usecases', 'executor', 'forgejo', 'domain'],
  http: ['usecases', 'contract', 'domain', 'forgejo/signature.ts'],
  dashboard: ['usecases', 'contract', 'domain'],
  agent: ['contract', 'domain', 'executor', 'yaml-file'],
  cli: ['contract', 'domain'],
  demo: ['contract'],
  'yaml-file': ['contract'],
  config: [
    'contract',
    'domain',
    'forgejo',
    'yaml-file',
    'executor/machine.ts',
    'executor/ssh/host-key.ts',
    'executor/ssh/own-key.ts',
  ],
  log: [],
  metrics: ['domain'],
  server: ['config', 'log', 'metrics', 'store', 'usecases', 'http', 'dashboard'],
  'server.ts': ['server', 'config', 'log', 'metrics', 'store', 'usecases', 'executor', 'loops', 'http', 'domain'],
  'agent.ts': ['agent', 'log', 'yaml-file', 'executor', 'domain', 'contract'],
  'cli.ts': ['cli', 'server.ts', 'agent.ts', 'demo', 'yaml-file', 'domain', 'contract'],
};

/** The commands that meet the database instead of the server, and what they share. */
const databaseCommands = /^cli\/(database|migrate|doctor|restored|config-check)\.ts$/;
const databaseParts = ['config', 'store', 'usecases', 'log'];

/** The commands that reach hosts themselves, and write the configuration file. */
const hostCommands = /^cli\/(agents\/check|hosts\/[a-z-]+)\.ts$/;
const hostParts = ['config', 'executor', 'yaml-file'];

/** The commands about the agent of this machine read its settings, to find it. */
const agentCommands = /^cli\/agent\//;

/** The commands that start a program in this process. */
const startingCommands: Record<string, string> = {
  'cli/serve.ts': 'server.ts',
  'cli/agent/run.ts': 'agent.ts',
  'cli/agent/leave.ts': 'agent.ts',
  'cli/demo.ts': 'demo',
};

/** Where each package from outside may be used; a package that is missing here may be used nowhere. */
const packages: Record<string, RegExp> = {
  pg: /^store\//,
  kysely: /^(store|usecases)\//,
  zod: /^(contract|executor|forgejo|http|agent|cli|config|yaml-file)[/.]/,
  '@hono/zod-openapi': /^(contract|http)\//,
  hono: /^(http|dashboard)\/|^server\.ts$/,
  '@hono/node-server': /^(http|dashboard)\/|^server\.ts$/,
  liquidjs: /^forgejo\//,
  ajv: /^domain\/output-schema\.ts$/,
  ssh2: /^(executor\/ssh|demo)\//,
  pino: /^log[/.]/,
  'prom-client': /^metrics[/.]/,
  yaml: /^yaml-file[/.]/,
  commander: /^cli[/.]/,
};

/**
 * Node's own modules in the parts that don't touch the world: hashes and ids, the flag for expressions in linear time,
 * time limits, and a thread.
 */
const quietModules: Record<string, readonly string[]> = {
  domain: ['node:crypto', 'node:buffer', 'node:v8', 'node:vm'],
  contract: [],
  usecases: ['node:crypto', 'node:buffer', 'node:timers/promises', 'node:worker_threads'],
};

const root = fileURLToPath(new URL('../../src', import.meta.url));
const files = sourceFiles(root);
const imports = files.flatMap((file) => importsOf(root, file));

/** The folder, or the file at the top; `config.ts` and `config/` are one part, as a program and its folder are not. */
function partOf(file: string): string {
  const [top = ''] = file.split('/');
  const name = top.replace(/\.ts$/, '');
  return [top, name].find((part) => part in allowed) ?? top;
}

function mayImport({ file, target, typeOnly }: Import): boolean {
  const [from, to] = [partOf(file), partOf(target)];
  if (from === to) return true;
  const parts = [
    ...(allowed[from] ?? []),
    ...(databaseCommands.test(file) ? databaseParts : []),
    ...(hostCommands.test(file) ? hostParts : []),
  ];
  if (parts.includes(to) || parts.includes(target)) return true;
  if (startingCommands[file] === to) return true;
  if (agentCommands.test(file) && to === 'agent') return true;
  // Whoever is given the logger may name its type.
  if (to === 'log' && typeOnly && !['domain', 'contract'].includes(from)) return true;
  return to === 'forgejo' && parts.includes('forgejo, the pure part') && isPure(target);
}

function isPure(file: string): boolean {
  const touchesTheWorld = importsOf(root, file).some(({ target, own }) => !own && target.startsWith('node:'));
  return !touchesTheWorld && !/\bfetch\(/.test(readFileSync(`${root}/${file}`, 'utf8'));
}

function packageOf(target: string): string {
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

const say = ({ file, target }: Import) => `${file} imports ${target || 'something unknown'}`;

describe('the house', () => {
  test('has files to look at', () => {
    expect(files.length).toBeGreaterThan(20);
    expect(imports.length).toBeGreaterThan(files.length);
  });

  test('has no part that the table does not know', () => {
    expect([...new Set(files.map(partOf))].filter((part) => !(part in allowed))).toEqual([]);
  });

  test('has imports only where the table allows them', () => {
    expect(
      imports
        .filter(({ own }) => own)
        .filter((one) => !mayImport(one))
        .map(say),
    ).toEqual([]);
  });

  test('has a table that never leads back to where it began', () => {
    const reaches = (part: string, seen: Set<string>): Set<string> => {
      for (const next of (allowed[part] ?? []).map((name) => name.split(/[,/]/)[0] ?? '')) {
        if (!seen.has(next)) reaches(next, seen.add(next));
      }
      return seen;
    };
    expect(Object.keys(allowed).filter((part) => reaches(part, new Set()).has(part))).toEqual([]);
  });

  test('has no files that lead in a circle, imports of types counted', () => {
    const next = Map.groupBy(
      imports.filter(({ own }) => own),
      ({ file }) => file,
    );
    const leadsBack = (start: string, file = start, seen = new Set<string>()): boolean =>
      (next.get(file) ?? []).some(({ target }) => {
        if (target === start) return true;
        if (seen.has(target)) return false;
        seen.add(target);
        return leadsBack(start, target, seen);
      });
    expect(files.filter((file) => leadsBack(file))).toEqual([]);
  });

  test('uses each package only where it belongs', () => {
    const foreign = imports.filter(({ own, target }) => !own && !target.startsWith('node:') && target !== '');
    expect(foreign.filter(({ file, target }) => !packages[packageOf(target)]?.test(file)).map(say)).toEqual([]);
  });

  test('keeps the world out of its quiet parts', () => {
    const modules = imports.filter(({ target }) => target.startsWith('node:'));
    const loud = modules.filter(({ file, target }) => quietModules[partOf(file)]?.includes(target) === false);
    expect(loud.map(say)).toEqual([]);
  });

  test('hides no import behind a name made at run time, but for migrations', () => {
    expect(imports.filter(({ target }) => target === '').map(({ file }) => file)).toEqual(['store/migrate.ts']);
  });
});

describe('the reader of imports', () => {
  test.each([
    ["import a from './a.ts';", './a.ts', false],
    ["import type { A } from './a.ts';", './a.ts', true],
    ["import {\n  a,\n  type B,\n} from './a.ts';", './a.ts', false],
    ["export { a } from './a.ts';", './a.ts', false],
    ["export type * from './a.ts';", './a.ts', true],
    ["import './a.ts';", './a.ts', false],
    ["const a = await import('./a.ts');", './a.ts', false],
    ["type A = import('./a.ts').A;", './a.ts', false],
    ['const a = await import(path);', '', false],
  ])('understands %j', (text, target, typeOnly) => {
    expect(parseImports(text)).toEqual([{ target, typeOnly }]);
  });

  test.each([
    "// import a from './a.ts';",
    "/* import a from './a.ts'; */",
    "export const from = 'a';",
    "export type A = 'b';",
  ])('sees none in %j', (text) => {
    expect(parseImports(text)).toEqual([]);
  });
});
