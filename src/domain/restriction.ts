import { meansRepository } from './repository-pattern.ts';

/**
 * The tasks that a token, or an agent made with it, is for: of one of these repositories, and requiring one of these
 * labels. Null: whatever they are.
 */
export type Restriction = {
  repositories: readonly string[] | null;
  labels: readonly string[] | null;
};

/** What of a task decides whether it is within a restriction. */
export type Placed = { repository: string | null; requires: readonly string[] };

export function isWithin(restriction: Restriction | null, { repository, requires }: Placed): boolean {
  if (restriction === null) return true;
  const { repositories, labels } = restriction;
  const ofThem = (one: string) => repository !== null && meansRepository(one, repository);
  return (repositories?.some(ofThem) ?? true) && (labels?.some((label) => requires.includes(label)) ?? true);
}

/** The same of repositories, as an expression that a whole `forge:owner/name` in lower case matches. */
export const repositoryExpression = (pattern: string): string => {
  const parts = (pattern.includes(':') ? pattern : `*:${pattern}`).toLowerCase().split(/([:/])/);
  return `^${parts.map((part) => (part === '*' ? '[^:/]*' : part.replace(/[^a-z0-9:/]/g, '\\$&'))).join('')}$`;
};
