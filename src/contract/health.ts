import { z } from 'zod';

export const health = z.object({
  status: z.literal('ok'),
  installation_id: z.string(),
  generation: z.int(),
  version: z.string(),
});
export const readiness = z.object({ status: z.enum(['ready', 'not_ready']), reason: z.string().nullable() });
