import { z } from 'zod';
import { ACTOR_KINDS } from '../domain/task.ts';
import { id, json, listOf } from './common.ts';
import { status } from './task.ts';

export const event = z
  .object({
    sequence: z.int(),
    n: z.int(),
    task_id: id,
    attempt_id: id.nullable(),
    at: z.string(),
    type: z.string(),
    actor: z.object({ kind: z.enum(ACTOR_KINDS), id: z.string() }),
    from_status: status.nullable(),
    to_status: status.nullable(),
    data: z.record(z.string(), json()),
    previous_hash: z.string().nullable(),
    hash: z.string(),
  })
  .meta({ id: 'Event' });
export type Event = z.infer<typeof event>;
export const eventList = listOf(event);
