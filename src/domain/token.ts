import { createHmac, hash, randomBytes } from 'node:crypto';
import type { Restriction } from './restriction.ts';
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
  /** Null: for all tasks. */
  restriction: Restriction | null;
};

/** Who makes a request, as its credential shows. */
export type Principal =
  | {
      kind: 'token';
      tokenId: string;
      scope: Exclude<Scope, 'agent'>;
      name: string;
      restriction: Restriction | null;
    }
  | ({ kind: 'agent'; agentId: string } & OfAgent)
  | ({
      kind: 'attempt';
      attemptId: string;
      taskId: string;
      agentId: string;
      executionMode: AgentMode;
      open: boolean;
    } & OfAgent);

type OfAgent = {
  /** From where the agent may call; none: from anywhere. */
  networks: readonly string[];
  /** Of what tasks it may know; null: of any. */
  restriction: Restriction | null;
};

const CHECK_LENGTH = 6;
const checksum = (text: string) => hash('sha256', text).slice(0, CHECK_LENGTH);

/** A new secret: 256 random bits, with its kind to be recognised by and a checksum against typing errors. */
export function newToken(kind: Scope): string {
  const secret = randomBytes(32).toString('base64url');
  return `tkj_${kind}_${secret}${checksum(secret)}`;
}

/** The same for an attempt, whose id it begins with, so that it is compared with the one row that it names. */
export const newAttemptToken = (attemptId: string): string =>
  attemptToken(attemptId, randomBytes(32).toString('base64url'));

function attemptToken(attemptId: string, secret: string): string {
  const text = Buffer.from(attemptId.replaceAll('-', ''), 'hex').toString('base64url') + secret;
  return `tkj_attempt_${text}${checksum(text)}`;
}

/** The attempt that a token names, be it good or not; null for a token of another kind. */
export function attemptOfToken(token: string): string | null {
  const id = /^tkj_attempt_([A-Za-z0-9_-]{22})[A-Za-z0-9_-]{43}[0-9a-f]{6}$/.exec(token)?.[1];
  if (id === undefined) return null;
  const hex = Buffer.from(id, 'base64url').toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Only this is stored. */
export const tokenHash = (token: string): Buffer => hash('sha256', token, 'buffer');

/** Could this be a token of ours? False spares the database a look-up. */
export function isWellFormedToken(token: string): boolean {
  const match = /^tkj_[a-z]+_([A-Za-z0-9_-]{43}(?:[A-Za-z0-9_-]{22})?)([0-9a-f]{6})$/.exec(token);
  return match?.[1] !== undefined && checksum(match[1]) === match[2];
}

/**
 * The token of an attempt that the server itself drives: always the same for one attempt, so that whichever replica
 * sends the start, or sends it again, gives the command the same one.
 */
export function derivedAttemptToken(secret: Uint8Array, attemptId: string): string {
  const text = createHmac('sha256', secret).update(`attempt token ${attemptId}`).digest('base64url');
  return attemptToken(attemptId, text);
}
