import * as wire from '../contract/statistics.ts';
import type { EndsByKey, Statistics } from '../domain/statistics.ts';
import { answers, api, apiRoute, endpoint } from './route.ts';

const show = endpoint(
  apiRoute('viewer', [], {
    method: 'get',
    path: '/api/v1/stats',
    tags: ['tasks'],
    summary: 'How many tasks ended how, what waits, and how long it takes',
    description:
      'Of the whole hours that hold the range, by when tasks ended; `from` and `to` say which. A wait is from being ' +
      'ready to being taken, a duration from start to end, both of the last attempt; percentiles are right to one per ' +
      'cent. Computed at most once in a while: `Age` says how long ago.',
    request: { query: wire.statisticsQuery },
    responses: { 200: answers(wire.statistics, 'The figures') },
  }),
  async (c) => {
    const { from, to } = c.req.valid('query');
    const asked = { from: from ?? null, to: to ?? null };
    const { statistics, ageSeconds } = await c.get('http').statistics(asked);
    return c.json(present(statistics), 200, { Age: String(ageSeconds) });
  },
);

const present = (found: Statistics): wire.Statistics => ({
  from: found.from,
  to: found.to,
  queue: {
    pending: found.queue.pending,
    assigned: found.queue.assigned,
    running: found.queue.running,
    oldest_pending_seconds: found.queue.oldestPendingSeconds,
  },
  wait_seconds: found.waitSeconds,
  duration_seconds: found.durationSeconds,
  by_template: found.byTemplate.map(presentKey),
  by_repository: found.byRepository.map(presentKey),
  by_agent: found.byAgent.map(presentKey),
  series: found.series.map(({ waitP95, durationP95, ...day }) => ({
    ...day,
    wait_p95: waitP95,
    duration_p95: durationP95,
  })),
});

const presentKey = ({ costUsd, inputTokens, outputTokens, ...ends }: EndsByKey) => ({
  ...ends,
  cost_usd: costUsd,
  input_tokens: inputTokens,
  output_tokens: outputTokens,
});

export const statisticsApi = () => api(show);
