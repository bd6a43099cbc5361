/**
 * The order of waiting tasks as one stored number, lowest first: microseconds of the moment since when a task counts
 * as waiting, less `ageingSecondsPerLevel` for each level of priority. Ageing is linear, so the order of two waiting
 * tasks never changes and needs no recomputing. Microseconds of our centuries are safe integers.
 */
export const rankOf = (waitsSinceMicros: number, priority: number, ageingSecondsPerLevel: number): number =>
  waitsSinceMicros - Math.round(priority * ageingSecondsPerLevel * 1_000_000);
