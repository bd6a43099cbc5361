import { createHmac, timingSafeEqual } from 'node:crypto';

/** A browser may stay signed in so long; its token must be good for all of that time. */
export const SESSION_SECONDS = 7 * 86_400;

/** What stands in a cookie: whose token the browser showed, and until when that counts. */
export type Session = { tokenId: string; expiresAtMs: number };

export type Sessions = {
  write(session: Session): string;
  /** Null for anything that we didn't write, or that has expired. */
  read(cookie: string, nowMs: number): Session | null;
};

const WRITTEN = /^([A-Za-z0-9_-]{1,64})\.(\d{1,15})\.([A-Za-z0-9_-]{43})$/;

/**
 * Signs what a browser keeps. `binding` is what besides the secret a session of this token hangs on, as the text of a
 * token that stands in no database: when that changes, the session is over.
 */
export function createSessions(secret: Uint8Array, binding: (tokenId: string) => string): Sessions {
  const key = derivedKey(secret, 'session cookie');
  const sign = (tokenId: string, expiresAtMs: number | string) =>
    mac(key, JSON.stringify([tokenId, String(expiresAtMs), binding(tokenId)]));
  return {
    write: ({ tokenId, expiresAtMs }) => `${tokenId}.${expiresAtMs}.${sign(tokenId, expiresAtMs)}`,
    read(cookie, nowMs) {
      const [, tokenId, expires, signature] = WRITTEN.exec(cookie) ?? [];
      if (tokenId === undefined || expires === undefined || signature === undefined) return null;
      if (!isSame(signature, sign(tokenId, expires)) || Number(expires) <= nowMs) return null;
      return { tokenId, expiresAtMs: Number(expires) };
    },
  };
}

export const derivedKey = (secret: Uint8Array, purpose: string): Buffer =>
  createHmac('sha256', secret).update(`dashboard ${purpose}`).digest();

export const mac = (key: Uint8Array, text: string): string =>
  createHmac('sha256', key).update(text).digest('base64url');

/** Compares what a caller sent with what is right, in a time that tells nothing of it. */
export function isSame(sent: string, right: string): boolean {
  const [a, b] = [Buffer.from(sent), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
