import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { AgentMode } from './task.ts';

export const SCOPES = ['admin', 'coordinator', 'agent', 'viewer', 'register'] as const;
export type Scope = (typeof SCOPES)[number];

export type Token = {
  id: string;
  name: string;
  scope: Scope;
  agentId: string | null;
  expiresAt: string | null;
  createdAt: string;
  lastUsedAt: string | null;
};

/** Who makes a request, as its credential shows. */
export type Principal =
  | { kind: 'token'; tokenId: string; scope: Exclude<Scope, 'agent'>; name: string }
  | { kind: 'agent'; agentId: string; tokenId: string }
  | { kind: 'attempt'; attemptId: string; taskId: string; agentId: string; executionMode: AgentMode; open: boolean };

const CHECK_LENGTH = 6;
const checksum = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, CHECK_LENGTH);

/** A new secret: 256 random bits, with its kind to be recognised by and a checksum against typing errors. */
export function newToken(kind: Scope | 'attempt'): string {
  const secret = randomBytes(32).toString('base64url');
  return `tkj_${kind}_${secret}${checksum(secret)}`;
}

/** Only this is stored. */
export const tokenHash = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Could this be a token of ours? False spares the database a look-up. */
export function isWellFormedToken(token: string): boolean {
  const match = /^tkj_[a-z]+_([A-Za-z0-9_-]{43})([0-9a-f]{6})$/.exec(token);
  return match?.[1] !== undefined && checksum(match[1]) === match[2];
}

/**
 * The token of an attempt that the server itself drives: always the same for one attempt, so that whichever replica
 * sends the start, or sends it again, gives the command the same one.
 */
export function derivedAttemptToken(secret: Uint8Array, attemptId: string): string {
  const text = createHmac('sha256', secret).update(`attempt token ${attemptId}`).digest('base64url');
  return `tkj_attempt_${text}${checksum(text)}`;
}
