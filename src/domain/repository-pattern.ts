const same = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** Whether `owner/name` or `forge:owner/name`, with `*` for a whole part, means this repository, `forge:owner/name`. */
export function meansRepository(pattern: string, repository: string): boolean {
  const parts = partsOf(pattern.includes(':') ? pattern : `*:${pattern}`);
  const actual = partsOf(repository);
  return parts.length === actual.length && parts.every((part, at) => part === '*' || same(part, actual[at] ?? ''));
}

const partsOf = (text: string): string[] => text.split(/[:/]/);
