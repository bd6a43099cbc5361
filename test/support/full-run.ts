import type { TestSpecification, Vitest } from 'vitest/node';

/** Is this a run of all tests, not of some files or titles? */
export async function isFullRun(vitest: Vitest | undefined, chosen: readonly TestSpecification[]): Promise<boolean> {
  const all = await vitest?.globTestSpecifications();
  return chosen.length === all?.length && vitest?.config.testNamePattern === undefined;
}
