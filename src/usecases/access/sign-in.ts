import { AppError } from '../../domain/errors.ts';
import { isInForce, readSignedToken, type SignedToken } from '../../domain/signed-token.ts';
import type { Principal } from '../../domain/token.ts';
import type { Deps } from '../deps.ts';
import { type AuthenticateOptions, createAuthenticate } from './authenticate.ts';

export type SignIn = {
  /**
   * Whose credential this is. Throws `unauthenticated`, `address_not_allowed`, and `rate_limited` where too many bad ones
   * came from.
   */
  principalOf(credential: string, address: string): Promise<Principal>;
  /** A signed token that is of this moment and for this installation, whoever signed it; else null. */
  readProof(text: string): SignedToken | null;
  /** How often credentials have been taken back, or may have been: who asks twice knows whether to look again. */
  revocations(): number;
};

const WINDOW_MS = 60_000;
/** Addresses counted at a time: an attacker with many must not fill the memory. */
const MAX_ADDRESSES = 10_000;
/** Refusals told of in a minute: nor must he fill the record. */
const MAX_TOLD = 100;

/** The first of a minute from an address, and the one from which on it is limited. */
export type Refusal = { address: string; code: 'unauthenticated' | 'rate_limited' | 'address_not_allowed' };

export type SignInOptions = AuthenticateOptions & {
  badTokensPerMinute: number;
  onRefused: (refusal: Refusal) => void;
  nowMs: () => number;
};

/** Counts only what fails, by address and minute: a good token is never limited by the bad ones beside it. */
export function createSignIn(deps: Pick<Deps, 'hot' | 'wakeups' | 'settings'>, options: SignInOptions): SignIn {
  const authenticate = createAuthenticate(deps, options);
  const failures = createFailures(options);
  let revocations = 0;
  deps.wakeups.subscribe(({ kind }) => {
    if (kind === 'tokens' || kind === 'missed') revocations += 1;
  });
  return {
    revocations: () => revocations,
    async principalOf(credential, address) {
      const principal = await authenticate(credential, address).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'address_not_allowed') failures.elsewhere(address);
        throw error;
      });
      if (principal !== null) return principal;
      const retryAfter = failures.count(address);
      if (retryAfter === null) {
        throw new AppError('unauthenticated', 'The token is not known here, has expired or was revoked.');
      }
      throw new AppError('rate_limited', 'Too many bad tokens came from this address; wait a minute.', {
        extra: { retry_after_seconds: retryAfter },
      });
    },
    readProof(text) {
      const token = readSignedToken(text);
      return token !== null && isInForce(token.claims, options.installationId, options.clockMs()) ? token : null;
    },
  };
}

function createFailures({ badTokensPerMinute, onRefused, nowMs }: SignInOptions) {
  let windowEndsMs = 0;
  let told = 0;
  let counts = new Map<string, number>();

  const add = (what: string): number => {
    if (nowMs() >= windowEndsMs) {
      counts = new Map();
      told = 0;
      windowEndsMs = nowMs() + WINDOW_MS;
    }
    const key = counts.size < MAX_ADDRESSES || counts.has(what) ? what : 'all others';
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count;
  };
  const tell = (refusal: Refusal) => {
    told += 1;
    if (told <= MAX_TOLD) onRefused(refusal);
  };

  return {
    /** Answers for how many seconds to wait, or null as long as there are few. */
    count(address: string): number | null {
      const count = add(address);
      if (count === 1) tell({ address, code: 'unauthenticated' });
      if (count === badTokensPerMinute + 1) tell({ address, code: 'rate_limited' });
      return count <= badTokensPerMinute ? null : Math.max(1, Math.ceil((windowEndsMs - nowMs()) / 1000));
    },
    /** A good token, from where it may not be used. */
    elsewhere(address: string): void {
      if (add(`good, from ${address}`) === 1) tell({ address, code: 'address_not_allowed' });
    },
  };
}
