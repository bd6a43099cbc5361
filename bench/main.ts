/** Measures Taskejo beside others and prints what came out: see README.md beside this file. */
import { parseArgs } from 'node:util';
import { FIGURES } from './figures.ts';
import { type Bench, createBench } from './support/bench.ts';
import type { Figure } from './support/figure.ts';
import { NotAvailable } from './support/jobs.ts';
import { type FigureResult, writeResults } from './support/results.ts';
import { lastWords } from './support/server.ts';
import { table } from './support/table.ts';

const INTERRUPTED = 130;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    cores: { type: 'string', default: '0,1' },
    name: { type: 'string' },
    'server-flag': { type: 'string', multiple: true, default: [] },
  },
});

const unknown = positionals.filter((name) => !FIGURES.some((figure) => figure.name === name));
if (values.list || unknown.length > 0) {
  if (unknown.length > 0) console.error(`There is no figure ${unknown.join(', ')}. There are:`);
  for (const { name, title } of FIGURES) console.log(`${name.padEnd(12)} ${title}`);
  process.exit(unknown.length > 0 ? 2 : 0);
}

/** Figures that could not be measured for a fault are told, and don't keep the others from being measured. */
async function measure(bench: Bench, { name, title, run }: Figure): Promise<FigureResult & { failed: boolean }> {
  const began = performance.now();
  const told = { rows: [] as FigureResult['rows'], failed: false };
  try {
    told.rows = await run(bench);
  } catch (error) {
    told.failed = !(error instanceof NotAvailable);
    const missing = told.failed
      ? `failed: ${(error as Error).stack}`
      : `not available yet: ${(error as Error).message}`;
    if (ended !== null) process.exit(await end().then(() => INTERRUPTED));
    if (told.failed) bench.say(`${name} ${missing}\nthe server said last: ${lastWords(bench.folder)}`);
    told.rows = [{ title, missing }];
  }
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`\n${name}: ${title} (${seconds} s)\n${table(told.rows)}`);
  return { name, seconds, ...told };
}

const parts = new AsyncDisposableStack();
let ended: Promise<void> | null = null;
const end = () => {
  ended ??= parts.disposeAsync();
  return ended;
};
// Whatever ends this run, no process and no file of it is left. npm sends on the signal that a terminal sent us already.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void end().finally(() => process.exit(INTERRUPTED)));
}
for (const fault of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(fault, (error) => {
    if (ended === null) console.error(error);
    void end().finally(() => process.exit(1));
  });
}

const { quick, cores } = values;
const rounds = values.rounds === undefined ? null : Number(values.rounds);
const bench = await createBench({ quick, cores, rounds, nodeFlags: values['server-flag'] }, parts);
const results: (FigureResult & { failed: boolean })[] = [];
try {
  const chosen = FIGURES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  for (const figure of chosen) results.push(await measure(bench, figure));
} finally {
  await end();
}
const whole = quick ? 'quick' : 'latest';
const name = values.name ?? (positionals.length === 0 ? whole : positionals.join('-'));
const { version, pgbench } = bench.postgres;
const figures = results.map(({ failed: _, ...figure }) => figure);
console.log(`\n${writeResults(name, { quick, cores, postgres: version, pgbench: pgbench !== null }, figures)}`);
process.exitCode = results.some(({ failed }) => failed) ? 1 : 0;
