import { canonicalJson, type Json } from './canonical-json.ts';
import type { ActorKind } from './task.ts';
import type { Scope } from './token.ts';

/** Acts that belong to no task. */
export const AUDIT_TYPES = [
  'token_created',
  'token_revoked',
  'login_refused',
  'agent_registered',
  'agent_changed',
  'agent_deleted',
  'host_key_changed',
  'delivery_replayed',
  'configuration_loaded',
  'configuration_refused',
] as const;
export type AuditType = (typeof AUDIT_TYPES)[number];

/** Who acted, and by what right; null: by none of a token's. */
export type AuditActor = { kind: ActorKind; id: string; scope: Scope | null };
export const BY_THE_SERVER: AuditActor = { kind: 'server', id: 'server', scope: null };

export type Act = { type: AuditType; actor: AuditActor; data: { readonly [key: string]: Json } };

/** An act in the chain of its day, which is in UTC; `at` is the database's time with six digits of the second. */
export type AuditEvent = Act & { day: string; n: number; at: string };

/** The text that is hashed and stored; the hash is made as that of a task's event. */
export const auditText = ({ day, n, at, type, actor, data }: AuditEvent): string =>
  canonicalJson({ day, n, at, type, actor, data });
