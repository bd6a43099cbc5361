import { z } from 'zod';
import { AUDIT_TYPES } from '../domain/audit.ts';
import { ACTOR_KINDS } from '../domain/task.ts';
import { json, listOf } from './common.ts';
import { scope } from './token.ts';

const auditEvent = z
  .object({
    day: z.string().meta({ description: 'In UTC; each day is a chain of its own' }),
    n: z.int(),
    at: z.string(),
    type: z.enum(AUDIT_TYPES),
    actor: z.object({ kind: z.enum(ACTOR_KINDS), id: z.string(), scope: scope.nullable() }),
    data: z.record(z.string(), json()),
    previous_hash: z.string().nullable(),
    hash: z.string(),
  })
  .meta({ id: 'AuditEvent' });
export type AuditEvent = z.infer<typeof auditEvent>;
export const auditList = listOf(auditEvent);
