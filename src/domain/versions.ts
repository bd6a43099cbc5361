import { AppError } from './errors.ts';

/** Which versions of a task a caller has read and means to change: any, or these. */
export type Versions = 'any' | readonly number[];

/** Throws `version_mismatch` if the task isn't as it was read. */
export function checkVersion(versions: Versions, version: number): void {
  if (versions === 'any' || versions.includes(version)) return;
  const how = versions.length === 0 ? `If-Match takes one in quotes, as "${version}"` : 'read it again';
  throw new AppError('version_mismatch', `The task has version ${version} now; ${how}.`);
}
