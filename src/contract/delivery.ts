import { z } from 'zod';
import { id, listOf, pageQuery, text } from './common.ts';

export const decision = z.enum(['task_created', 'merged', 'command', 'ignored']);

/** What a forge's webhook is answered. */
export const accepted = z.object({
  delivery_id: id,
  decision,
  reason: z.string(),
  task_ids: z.array(id),
});
export type Accepted = z.infer<typeof accepted>;

export const delivery = z
  .object({
    id,
    forge: z.string(),
    forge_uuid: z.string().nullable(),
    event_type: z.string(),
    action: z.string().nullable(),
    repository: z.string().nullable(),
    sender: z.string().nullable(),
    received_at: z.string(),
    decision,
    reason: z.string(),
    task_ids: z.array(id),
    duplicate_of: id.nullable(),
  })
  .meta({ id: 'Delivery' });
export type Delivery = z.infer<typeof delivery>;
export const deliveryList = listOf(delivery);

/** One delivery in full: header names in lower case; `body_encoding` tells text from base64. */
export const deliveryInFull = delivery.extend({
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  body_encoding: z.enum(['utf-8', 'base64']),
  rules: z.array(z.object({ rule: z.string(), matched: z.boolean(), reason: z.string() })),
});

export const deliveriesQuery = z.strictObject({
  ...pageQuery,
  forge_uuid: text().max(200).optional(),
  decision: decision.optional(),
  repository: text().max(255).optional(),
  task_id: id.optional(),
});
