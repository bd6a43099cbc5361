import type { Bench } from './bench.ts';
import type { FigureRows } from './rows.ts';

/** Something that is measured, with all its contestants. Throws `NotAvailable` for what the server can't do yet. */
export type Figure = { name: string; title: string; run(bench: Bench): Promise<FigureRows> };
