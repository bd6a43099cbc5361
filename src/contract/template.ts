import { z } from 'zod';
import { listOf } from './common.ts';
import { limits } from './task.ts';

/** What may be asked of a template. Its command and environment stay the server's. */
export const template = z
  .object({
    name: z.string(),
    description: z.string().nullable(),
    variables: z.record(
      z.string(),
      z.object({
        default: z.union([z.string(), z.number(), z.boolean()]).nullable(),
        description: z.string().nullable(),
      }),
    ),
    requires: z.array(z.string()),
    limits,
  })
  .meta({ id: 'Template' });
export type Template = z.infer<typeof template>;
export const templateList = listOf(template);
