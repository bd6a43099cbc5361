import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type FigureRows, isMet, isMissing, median } from './rows.ts';

export type FigureResult = { name: string; seconds: number; rows: FigureRows };
export type RunFacts = { quick: boolean; cores: string; postgres: string; pgbench: boolean };

const FOLDER = fileURLToPath(new URL('../results/', import.meta.url));

/** Writes what a run found where the next one can be compared with it; answers the file. */
export function writeResults(name: string, facts: RunFacts, figures: readonly FigureResult[]): string {
  mkdirSync(FOLDER, { recursive: true });
  const file = `${FOLDER}${name}.json`;
  const machine = { processor: cpus()[0]?.model, cores: availableParallelism(), kernel: release() };
  const found = {
    at: new Date().toISOString(),
    ...facts,
    node: process.version,
    machine,
    figures: figures.map((figure) => ({ ...figure, rows: figure.rows.map(told) })),
  };
  // The rounds on one line each, as the formatter has them.
  const text = JSON.stringify(found, null, 2).replace(
    /\[\s+([^[\]{}"]*?)\s+\]/g,
    (_, values: string) => `[${values.replace(/\s+/g, ' ')}]`,
  );
  writeFileSync(file, `${text}\n`);
  return file;
}

const told = (row: FigureRows[number]) =>
  isMissing(row)
    ? row
    : {
        ...row,
        rounds: row.rounds.map((value) => Number(value.toPrecision(4))),
        median: row.rounds.length === 0 ? null : Number(median(row.rounds).toPrecision(4)),
        met: isMet(row),
      };
