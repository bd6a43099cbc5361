export type Goal = { is: 'at least' | 'at most'; value: number; stretch?: number };
/** One line of the table: a value of each round, and what it should be. */
export type Row = {
  title: string;
  /** `×` is a ratio of two contestants in the same round. */
  unit: string;
  rounds: readonly number[];
  goal?: Goal;
  /** What a reader must know about this line. */
  note?: string;
};
export type MissingRow = { title: string; missing: string };
export type FigureRows = (Row | MissingRow)[];

export const isMissing = (row: Row | MissingRow): row is MissingRow => 'missing' in row;
export const atLeast = (value: number, stretch?: number): Goal => ({
  is: 'at least',
  value,
  ...(stretch === undefined ? {} : { stretch }),
});
export const atMost = (value: number): Goal => ({ is: 'at most', value });

const ascending = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);

/** The value below which a share of all values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = ascending(values);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** One contestant over another, round by round. */
export const ratios = (of: readonly number[], over: readonly number[]): number[] =>
  of.flatMap((value, round) => {
    const other = over[round];
    return other === undefined ? [] : [value / other];
  });

export function isMet({ rounds, goal }: Row): boolean | null {
  if (goal === undefined || rounds.length === 0) return null;
  const value = median(rounds);
  return goal.is === 'at least' ? value >= goal.value : value <= goal.value;
}
