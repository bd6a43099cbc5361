import { z } from 'zod';
import { time } from './common.ts';

const count = z.int();
const seconds = z.number().nullable();
const ends = { completed: count, failed: count, cancelled: count };
const percentiles = z.object({ p50: seconds, p95: seconds });
const byKey = z.array(
  z.object({ key: z.string(), ...ends, cost_usd: z.number(), input_tokens: z.number(), output_tokens: z.number() }),
);

export const statistics = z
  .object({
    from: z.string(),
    to: z.string(),
    queue: z.object({ pending: count, assigned: count, running: count, oldest_pending_seconds: seconds }),
    wait_seconds: percentiles,
    duration_seconds: percentiles,
    by_template: byKey,
    by_repository: byKey,
    by_agent: byKey,
    series: z.array(z.object({ day: z.string(), ...ends, wait_p95: seconds, duration_p95: seconds })),
  })
  .meta({ id: 'Statistics' });
export type Statistics = z.infer<typeof statistics>;

export const statisticsQuery = z.strictObject({
  from: time.optional().meta({ description: 'A week before `to` unless said' }),
  to: time.optional().meta({ description: 'Now unless said' }),
});
