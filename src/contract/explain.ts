import { z } from 'zod';
import { AGENT_MODES } from '../domain/task.ts';
import { id } from './common.ts';
import { status } from './task.ts';

const reason = z
  .object({
    code: z.string(),
    message: z.string(),
    missing: z.array(z.string()).optional().meta({ description: 'Labels, limits or the sandbox that are not there' }),
    until: z.string().optional().meta({ description: 'When it ends by itself, at the latest' }),
    task_ids: z.array(id).optional().meta({ description: 'The tasks that are waited for' }),
  })
  .meta({ id: 'Reason' });
export type Reason = z.infer<typeof reason>;

const change = z
  .string()
  .nullable()
  .meta({ description: 'What would let it run with the least effort; null: it is takeable, or nothing would' });

export const explanation = z
  .object({
    task_id: id,
    status,
    takeable: z.boolean(),
    reasons: z.array(reason),
    agents: z
      .array(
        z.object({
          agent_id: z.string(),
          name: z.string(),
          execution_mode: z.enum(AGENT_MODES),
          takeable: z.boolean(),
          reasons: z.array(reason),
          smallest_change: change,
        }),
      )
      .meta({ description: 'At most 1,000, nearest to takeable first; an agent that asks sees only itself' }),
    agents_total: z.int(),
    ahead: z.int().meta({
      description: 'How many ready tasks of a better rank some of the same agents could take; counted up to 10,000',
    }),
    smallest_change: change,
  })
  .meta({ id: 'Explanation' });
export type Explanation = z.infer<typeof explanation>;
