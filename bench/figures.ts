import { create } from './figures/create.ts';
import { drain } from './figures/drain.ts';
import type { Figure } from './support/figure.ts';

/** All that is measured, in the order of a whole run. */
export const FIGURES: readonly Figure[] = [drain, create];
