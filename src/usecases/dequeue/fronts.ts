import type { Kysely } from 'kysely';
import type { AgentMode } from '../../domain/task.ts';
import { lowestRanks } from '../../store/claims.ts';
import type { Database } from '../../store/schema.ts';
import type { Hint, Wakeups } from '../../store/wakeups.ts';

/**
 * From which rank on tasks wait in lanes. While the database can't clean up, what was taken stays in front of what waits,
 * and each look would step over all of it: see docs/adr/0019.
 */
export type Fronts = {
  /** Of each of these lanes a rank below which nothing waits; the lowest of all while that isn't known. */
  of(mode: AgentMode, lanes: readonly number[]): number[];
  /** Finds out how it stands in the lanes that were asked for since the last time, and tells of what nobody has told of. */
  look(): Promise<void>;
  /** Knows nothing any more, until the next look. */
  forget(): void;
};

/** Lower than every rank, and higher: they are microseconds of our centuries. */
const LOWEST = Number.MIN_SAFE_INTEGER;
const HIGHEST = Number.MAX_SAFE_INTEGER;

type ByMode<T> = Record<AgentMode, T>;
const forEachMode = <T>(make: () => T): ByMode<T> => ({ http_pull: make(), ssh_cli: make() });

type FrontsDeps = { db: Kysely<Database>; wakeups: Pick<Wakeups, 'subscribe' | 'emit'> };

export function createFronts({ db, wakeups }: FrontsDeps): Fronts {
  /** The lanes that are asked for; null while nobody looks. */
  let asked: ByMode<Set<number>> | null = null;
  let known = forEachMode(() => new Map<number, number>());
  /** What was told since a look began, which may not have seen it: the lowest rank by lane, or null for anything at all. */
  let told: Map<number, number> | null = null;

  function hear(hint: Hint): void {
    if (hint.kind === 'missed') forgetAll();
    if (hint.kind !== 'ready') return;
    if (hint.lane === undefined || hint.rank === undefined) forgetAll();
    else lower(hint.lane, hint.rank);
  }

  function forgetAll(): void {
    told = null;
    for (const fronts of Object.values(known)) fronts.clear();
  }

  function lower(lane: number, rank: number): void {
    told?.set(lane, Math.min(rank, told.get(lane) ?? HIGHEST));
    for (const fronts of Object.values(known)) {
      const front = fronts.get(lane);
      if (front !== undefined && rank < front) fronts.set(lane, rank);
    }
  }

  /** Whoever waits was told that there was nothing: a hint was lost, or is late. */
  function tellOfUntold(mode: AgentMode, before: ByMode<ReadonlyMap<number, number>>): void {
    for (const [lane, rank] of known[mode]) {
      const was = before[mode].get(lane);
      if (was !== undefined && rank < was) wakeups.emit({ kind: 'ready', lane, rank });
    }
  }

  wakeups.subscribe(hear);
  return {
    of(mode, lanes) {
      for (const lane of lanes) asked?.[mode].add(lane);
      return lanes.map((lane) => known[mode].get(lane) ?? LOWEST);
    },
    async look() {
      const lanes = asked ?? forEachMode(() => new Set());
      asked = forEachMode(() => new Set());
      told = new Map();
      try {
        const [http_pull, ssh_cli] = [await frontsOf('http_pull', lanes), await frontsOf('ssh_cli', lanes)];
        if (told === null) return;
        const before = known;
        known = { http_pull, ssh_cli };
        for (const [lane, rank] of told) lower(lane, rank);
        tellOfUntold('http_pull', before);
        tellOfUntold('ssh_cli', before);
      } catch (error) {
        forgetAll();
        throw error;
      }
    },
    forget() {
      asked = null;
      forgetAll();
    },
  };

  async function frontsOf(mode: AgentMode, lanes: ByMode<ReadonlySet<number>>): Promise<Map<number, number>> {
    const ids = [...lanes[mode]];
    if (ids.length === 0) return new Map();
    const lowest = await lowestRanks(db, { mode, lanes: ids });
    return new Map(ids.map((id) => [id, lowest.get(id) ?? HIGHEST]));
  }
}
