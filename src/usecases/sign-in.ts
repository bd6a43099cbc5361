import { AppError } from '../domain/errors.ts';
import type { Principal } from '../domain/token.ts';
import { createAuthenticate } from './authenticate.ts';
import type { Deps } from './deps.ts';

export type SignIn = {
  /** Whose credential this is. Throws `unauthenticated`, and `rate_limited` where too many bad ones came from. */
  principalOf(credential: string, address: string): Promise<Principal>;
};

const WINDOW_MS = 60_000;
/** Addresses counted at a time: an attacker with many must not fill the memory. */
const MAX_ADDRESSES = 10_000;

export type SignInOptions = { adminToken: string | null; badTokensPerMinute: number; nowMs: () => number };

/** Counts only what fails, by address and minute: a good token is never limited by the bad ones beside it. */
export function createSignIn(deps: Pick<Deps, 'hot' | 'wakeups'>, options: SignInOptions): SignIn {
  const { adminToken, badTokensPerMinute, nowMs } = options;
  const authenticate = createAuthenticate(deps, adminToken);
  let windowEndsMs = 0;
  let failures = new Map<string, number>();

  const countFailure = (address: string): number => {
    if (nowMs() >= windowEndsMs) {
      failures = new Map();
      windowEndsMs = nowMs() + WINDOW_MS;
    }
    const key = failures.size < MAX_ADDRESSES || failures.has(address) ? address : 'all others';
    const count = (failures.get(key) ?? 0) + 1;
    failures.set(key, count);
    return count;
  };

  return {
    async principalOf(credential, address) {
      const principal = await authenticate(credential);
      if (principal !== null) return principal;
      if (countFailure(address) <= badTokensPerMinute) {
        throw new AppError('unauthenticated', 'The token is not known here, has expired or was revoked.');
      }
      throw new AppError('rate_limited', 'Too many bad tokens came from this address; wait a minute.', {
        extra: { retry_after_seconds: Math.max(1, Math.ceil((windowEndsMs - nowMs()) / 1000)) },
      });
    },
  };
}
