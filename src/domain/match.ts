/** Labels as a set kept in one order without doubles, so that equal sets are equal arrays. */
export const normalizeLabels = (labels: readonly string[]): string[] => [...new Set(labels)].sort();

export const hasLabels = (has: readonly string[], required: readonly string[]): boolean =>
  required.every((label) => has.includes(label));

export type Place = { agentId: string; capacity: number; taken: number };
export const POLICIES = ['least_loaded', 'round_robin'] as const;
export type Policy = (typeof POLICIES)[number];

/**
 * The host that takes the next task, of those that match it; null when no place is free. `least_loaded`: the smallest
 * share of places taken, then the fewest running, then the id. `round_robin`: the order given, after `lastUsed`.
 */
export function chooseHost(matching: readonly Place[], policy: Policy, lastUsed: string | null): string | null {
  const free = matching.filter((place) => place.taken < place.capacity);
  if (policy === 'round_robin') {
    const after = matching.findIndex((place) => place.agentId === lastUsed) + 1;
    const turned = [...matching.slice(after), ...matching.slice(0, after)];
    return turned.find((place) => free.includes(place))?.agentId ?? null;
  }
  return [...free].sort(byLoad)[0]?.agentId ?? null;
}

const byLoad = (a: Place, b: Place): number =>
  a.taken / a.capacity - b.taken / b.capacity || a.taken - b.taken || (a.agentId < b.agentId ? -1 : 1);
