import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../domain/errors.ts';

/** RFC 9457, with the stable `code` that programs match on. */
export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    detail: z.string(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    request_id: z.string(),
    next_offset: z.int().optional(),
    retry_after_seconds: z.int().optional(),
    bytes: z.int().optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof problem>;
