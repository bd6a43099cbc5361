import type { AuditActor } from '../domain/audit.ts';
import { AppError, notFound } from '../domain/errors.ts';
import type { Holder } from '../domain/holder.ts';
import type { Actor, Creator } from '../domain/task.ts';
import { isWellFormedToken, type Principal, type Scope } from '../domain/token.ts';
import { hasHeldTask } from '../usecases/agents/read-agents.ts';
import type { HttpContext } from './env.ts';
import { aboutOf, requireWithin } from './restricted.ts';

type Role = Scope | 'attempt';

/** Who is let in where. Each route names one of these; what more it asks stands beside the word. */
export const ADMITTED = {
  admin: ['admin'],
  coordinator: ['admin', 'coordinator'],
  viewer: ['admin', 'coordinator', 'viewer'],
  /** An agent: only what belongs to a task that it holds or held, see {@link requireReadable}. */
  reader: ['admin', 'coordinator', 'viewer', 'agent'],
  registrar: ['admin', 'coordinator', 'register'],
  agent: ['agent'],
  /** An agent, or the token of the attempt: which attempt is checked where it is written. */
  holder: ['agent', 'attempt'],
} as const satisfies Record<string, readonly Role[]>;
export type Admitted = keyof typeof ADMITTED;

const roleOf = (principal: Principal): Role => (principal.kind === 'token' ? principal.scope : principal.kind);

/**
 * Lets in who has one of the roles; the request has its principal from then on. A token that is restricted to some tasks
 * comes no further than these.
 */
export const admit = (who: Admitted, { path, method }: { path: string; method: string }) => {
  const about = aboutOf(path, method);
  return async (c: HttpContext): Promise<void> => {
    const principal = await principalOf(c);
    if (!(ADMITTED[who] as readonly Role[]).includes(roleOf(principal))) throw forbidden(principal);
    await requireOneInstance(c, principal);
    c.set('principal', principal);
    // What an agent comes to is bound to what it holds or held.
    const restriction = principal.kind === 'token' ? principal.restriction : null;
    if (restriction !== null) await requireWithin(c, restriction, about);
  };
};

/** Of an agent that says which of its processes calls, only one is let in. */
async function requireOneInstance(c: HttpContext, principal: Principal): Promise<void> {
  if (principal.kind !== 'agent') return;
  const instance = c.req.header('taskejo-instance');
  if (instance !== undefined) await c.get('http').letInstanceIn(principal.agentId, instance);
}

const credentialOf = (c: HttpContext): string | undefined =>
  /^Bearer +(\S+) *$/i.exec(c.req.header('authorization') ?? '')?.[1];

/** Whose credential a request carries. Throws `unauthenticated`, or `rate_limited` after too many bad ones. */
async function principalOf(c: HttpContext): Promise<Principal> {
  const credential = credentialOf(c);
  if (credential === undefined) {
    throw new AppError('unauthenticated', 'Send a token as Authorization: Bearer TOKEN.');
  }
  const { signIn, clientAddress } = c.get('http');
  return signIn.principalOf(credential, clientAddress(c));
}

const forbidden = (principal: Principal): AppError =>
  new AppError(
    'forbidden',
    principal.kind === 'attempt'
      ? 'The token of an attempt is for its own reports only.'
      : `A token of scope ${roleOf(principal)} does not allow this.`,
  );

/**
 * An agent sees only tasks that it holds or held; for it there are no others. What it asked for is named as when there
 * is none, so that the answer doesn't tell that there is one.
 */
export async function requireReadable(c: HttpContext, taskId: string, asked: 'task' | 'attempt'): Promise<void> {
  const principal = c.get('principal');
  if (principal.kind !== 'agent') return;
  if (!(await hasHeldTask(c.get('http').deps, principal.agentId, taskId))) throw notFound(asked);
}

/** Whether the credential of a request is still good: it may have been revoked while the answer goes on. */
export const isStillAdmitted = (c: HttpContext): Promise<boolean> =>
  principalOf(c).then(
    () => true,
    (error: unknown) => {
      if (error instanceof AppError) return false;
      throw error;
    },
  );

/**
 * Whether the token of a request that has waited was revoked meanwhile; `revocations` are those before. One that an agent
 * signed runs out soon, and was good when it asked.
 */
export async function wasRevokedSince(c: HttpContext, revocations: number): Promise<boolean> {
  if (c.get('http').signIn.revocations() === revocations) return false;
  return isWellFormedToken(credentialOf(c) ?? '') && !(await isStillAdmitted(c));
}

/** The id of the agent that calls. */
export function agentOf(c: HttpContext): string {
  const principal = c.get('principal');
  if (principal.kind !== 'agent') throw forbidden(principal);
  return principal.agentId;
}

/** For whom a holder's call speaks. */
export function holderOf(c: HttpContext): Holder {
  const principal = c.get('principal');
  if (principal.kind === 'token') throw forbidden(principal);
  const attemptId = principal.kind === 'attempt' ? principal.attemptId : null;
  return { kind: 'agent', agentId: principal.agentId, attemptId };
}

/** Who stands in the history as having done it. */
export function actorOf(c: HttpContext): Actor {
  const principal = c.get('principal');
  return principal.kind === 'token'
    ? { kind: 'coordinator', id: principal.tokenId }
    : { kind: 'agent', id: principal.agentId };
}

/** The same beside the right by which it was done. */
export function auditActorOf(c: HttpContext): AuditActor {
  const principal = c.get('principal');
  return { ...actorOf(c), scope: principal.kind === 'token' ? principal.scope : 'agent' };
}

export function creatorOf(c: HttpContext): Creator {
  const principal = c.get('principal');
  if (principal.kind !== 'token') throw forbidden(principal);
  return { kind: 'coordinator', id: principal.tokenId, name: principal.name };
}
