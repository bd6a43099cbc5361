const JITTER = 0.2;

/** Seconds until a command that failed is tried again: doubling with each try, capped, give or take a fifth. */
export function retryDelaySeconds(
  baseSeconds: number,
  retriesSpent: number,
  maxSeconds: number,
  random: () => number,
): number {
  const doubled = Math.min(baseSeconds * 2 ** retriesSpent, maxSeconds);
  return doubled * (1 - JITTER + 2 * JITTER * random());
}
