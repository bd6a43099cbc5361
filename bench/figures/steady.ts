import type { Figure } from '../support/figure.ts';
import { registerAgents, TASK } from '../support/prepare.ts';
import { atMost } from '../support/rows.ts';

const LOOPS = 8;
const WARM_SECONDS = 3;

/** Minutes of load on one database, with nobody to clean up but autovacuum. */
export const steady: Figure = {
  name: 'steady',
  title: `claims under load, ${LOOPS} loops of create, claim, complete`,
  async run({ sizes, load, startServer }) {
    await using server = await startServer('steady');
    const tokens = await registerAgents(server, LOOPS);
    const common = { address: server.target, tokens, adminToken: server.adminToken, task: TASK };
    await load.run('loops', { ...common, seconds: WARM_SECONDS, parts: 1 });
    const [first, middle, last] = await load.run('loops', { ...common, seconds: sizes.steadySeconds, parts: 3 });
    if (!first || !middle || !last) throw new Error('the time was too short for three thirds');
    const of = `${sizes.steadySeconds} s`;
    const thirds = [first, middle, last];
    return [
      {
        title: `claim p50: last third of ${of} / first`,
        unit: '×',
        rounds: [last.p50Ms / first.p50Ms],
        goal: atMost(1.3),
      },
      {
        title: `claim p99: last third of ${of} / first`,
        unit: '×',
        rounds: [last.p99Ms / first.p99Ms],
        goal: atMost(2),
      },
      { title: 'claim p50, by thirds', unit: 'ms', rounds: thirds.map((part) => part.p50Ms) },
      { title: 'claim p99, by thirds', unit: 'ms', rounds: thirds.map((part) => part.p99Ms) },
      { title: 'claims, by thirds', unit: '/s', rounds: thirds.map((part) => part.perSecond) },
    ];
  },
};
