import { bossDrain, bossFill, bossSetUp } from './boss.ts';
import { graphileCreate, graphileFill, graphileSetUp } from './graphile.ts';
import { graphileDrain, graphileLatency } from './graphile-workers.ts';

/** What the peers' process can do. */
export const peerJobs = {
  bossDrain,
  bossFill,
  bossSetUp,
  graphileCreate,
  graphileDrain,
  graphileFill,
  graphileLatency,
  graphileSetUp,
};
export type PeerJobs = typeof peerJobs;
