import type { Spot } from '../../store/far-candidates.ts';

/** How far those have looked who found nothing in front, so that the next look goes on there. */
export type FarLooks = {
  /** Up to where all of these, agents mostly, have looked; at least to the end of what is in front. */
  from(lookers: readonly string[], lastSeen: Spot): Spot;
  /** They have seen everything up to there; null: up to the end, and begin anew. */
  note(lookers: readonly string[], spot: Spot | null): void;
};

/** So many are remembered at most. */
const REMEMBERED = 10_000;

export function createFarLooks(): FarLooks {
  const spots = new Map<string, Spot>();
  return {
    from(lookers, lastSeen) {
      const own = lookers.map((id) => spots.get(id) ?? lastSeen);
      const nearest = own.reduce((near, spot) => (isBehind(near, spot) ? spot : near), own[0] ?? lastSeen);
      return isBehind(lastSeen, nearest) ? lastSeen : nearest;
    },
    note(lookers, spot) {
      if (spots.size >= REMEMBERED) spots.clear();
      for (const id of lookers) {
        const known = spots.get(id);
        if (spot === null) spots.delete(id);
        else if (known === undefined || isBehind(spot, known)) spots.set(id, spot);
      }
    },
  };
}

const isBehind = (one: Spot, other: Spot): boolean =>
  one.rank === other.rank ? one.id > other.id : one.rank > other.rank;
