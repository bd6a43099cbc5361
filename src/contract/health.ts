import { z } from 'zod';

export const health = z.object({
  status: z.literal('ok'),
  installation_id: z.string(),
  generation: z.int(),
  version: z.string(),
});
/** Who isn't ready answers 503 instead. */
export const readiness = z.object({ status: z.literal('ready') });
