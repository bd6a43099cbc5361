import { bossDrain, bossFill, bossSetUp } from './boss.ts';
import { graphileCreate, graphileDrain, graphileFill, graphileSetUp } from './graphile.ts';

/** What the peers' process can do. */
export const peerJobs = { bossDrain, bossFill, bossSetUp, graphileCreate, graphileDrain, graphileFill, graphileSetUp };
export type PeerJobs = typeof peerJobs;
