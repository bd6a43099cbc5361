import { type Kysely, sql } from 'kysely';
import { hasLabels } from '../domain/match.ts';
import { isWithin, type Restriction } from '../domain/restriction.ts';
import { type LaneKey, laneOf } from './lanes.ts';
import type { Database } from './schema.ts';

type Lane = { id: number; requires: string[]; repository: string | null; agent_id: string | null };

/**
 * Who may serve lanes: those whose labels it has, and the one of tasks that name it. What it is restricted to is as it
 * was said last.
 */
type Server = { id: string; labels: readonly string[]; restriction?: Restriction | null };

/** What this process knows of the lanes, which are few, never change and are never deleted. */
export type Lanes = {
  /** The number of a lane, made when it is new. */
  idOf(key: LaneKey): Promise<number>;
  knows(lane: number): boolean;
  /** Reads what is new if there is a lane up to this number that isn't known. */
  upTo(db: Kysely<Database>, newest: number): Promise<void>;
  serves(server: Server, lane: number): boolean;
  /** The lanes that one of these may serve. */
  servedBy(servers: readonly Server[]): number[];
  /** The same by what these had when this was last asked of them; null where one is not remembered. */
  servedLately(ids: readonly string[]): number[] | null;
};

/** Sets of labels, and keys of new tasks, remembered at most. */
const REMEMBERED = 10_000;
/** Agents at most: more than wait on one process, all of whom are looked for once a second. */
const MOST_SERVERS = 50_000;

/** What a server may serve besides its own lane, as long as `among` are the lanes that are known. */
type Served = { labels: readonly string[]; lanes: ReadonlySet<number>; among: unknown };

export function createLanes(db: Kysely<Database>): Lanes {
  let known = 0;
  const shared: Lane[] = [];
  const own = new Map<string, number>();
  let byLabels = new Map<string, Set<number>>();
  const byKey = new Map<string, number>();
  const restricted = new Map<string, Restriction>();
  const lately = new Map<string, Served>();

  const add = (lane: Lane) => {
    known = Math.max(known, lane.id);
    if (lane.agent_id === null) shared.push(lane);
    else own.set(lane.agent_id, lane.id);
  };

  const restrictionOf = ({ id, restriction }: Server): Restriction | null => {
    if (restriction) restricted.set(id, restriction);
    else if (restriction === null) restricted.delete(id);
    return restricted.get(id) ?? null;
  };

  const sharedOf = (server: Server): ReadonlySet<number> => {
    const { labels } = server;
    const restriction = restrictionOf(server);
    const key = labels.join(' ') + (restriction === null ? '' : JSON.stringify(restriction));
    const remembered = byLabels.get(key);
    if (remembered !== undefined) return remembered;
    const fits = (lane: Lane) => hasLabels(labels, lane.requires) && isWithin(restriction, lane);
    const ids = new Set(shared.filter(fits).map(({ id }) => id));
    if (byLabels.size >= REMEMBERED) byLabels.clear();
    byLabels.set(key, ids);
    return ids;
  };

  /** Of thousands who wait nothing has changed since the last look. */
  const remember = (server: Server): Served => {
    const { id, labels, restriction } = server;
    const known = lately.get(id);
    if (known?.labels === labels && known.among === byLabels && restriction === undefined) return known;
    const served = { labels, lanes: sharedOf(server), among: byLabels };
    if (lately.size >= MOST_SERVERS) lately.clear();
    lately.set(id, served);
    return served;
  };

  const servedBy = (servers: readonly Server[]): number[] => {
    const lanes = new Set<number>();
    const sets = new Set<ReadonlySet<number>>();
    for (const server of servers) {
      const named = own.get(server.id);
      if (named !== undefined) lanes.add(named);
      sets.add(remember(server).lanes);
    }
    for (const set of sets) for (const lane of set) lanes.add(lane);
    return [...lanes];
  };

  return {
    async idOf(key) {
      const text = JSON.stringify([key.requires, key.repository, key.agentId]);
      const id = byKey.get(text) ?? (await laneOf(db, key));
      if (byKey.size >= REMEMBERED) byKey.clear();
      byKey.set(text, id);
      return id;
    },
    knows: (lane) => lane <= known,
    async upTo(reader, newest) {
      if (newest <= known) return;
      const lanes = await lanesAfter(reader, known);
      // Another call may have read them meanwhile.
      lanes.filter(({ id }) => id > known).forEach(add);
      byLabels = new Map();
    },
    serves: (server, lane) => own.get(server.id) === lane || sharedOf(server).has(lane),
    servedBy,
    servedLately(ids) {
      const servers: Server[] = [];
      for (const id of ids) {
        const labels = lately.get(id)?.labels;
        if (labels === undefined) return null;
        servers.push({ id, labels });
      }
      return servedBy(servers);
    },
  };
}

async function lanesAfter(db: Kysely<Database>, known: number): Promise<Lane[]> {
  const { rows } = await sql<Lane>`
    select id, requires, repository, agent_id from lanes where id > ${known} order by id`.execute(db);
  return rows;
}
