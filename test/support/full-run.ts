import type { TestSpecification, Vitest } from 'vitest/node';

/** Is this a run of all tests that were not left out by a folder, and not of some files or titles? */
export async function isFullRun(vitest: Vitest | undefined, chosen: readonly TestSpecification[]): Promise<boolean> {
  const all = await vitest?.globTestSpecifications();
  return chosen.length === all?.length && vitest?.config.testNamePattern === undefined;
}

/** Is it one of all tests there are, the long ones too? */
export async function isWholeRun(vitest: Vitest | undefined, chosen: readonly TestSpecification[]): Promise<boolean> {
  return chosen.some(({ moduleId }) => moduleId.includes('/test/long/')) && (await isFullRun(vitest, chosen));
}
