import { randomUUID } from 'node:crypto';
import { type KeyPair, SIGNED_TOKEN_SECONDS, signingKey, signToken } from '../domain/signed-token.ts';
import { type ServerClient, ServerRefusal } from './http.ts';
import type { ServerClock } from './server-clock.ts';

/** What a request proves itself with, now. */
export type Credential = () => string;

/** A token is used for less than half its life, so that none expires on its way. */
const USED_SECONDS = 120;

/** Signs tokens by the agent's own key, for whom they name. Their times are the server's. */
export function signedCredential(
  keys: KeyPair,
  { sub, aud }: { sub: string; aud: string },
  clock: ServerClock,
): Credential {
  const key = signingKey(keys);
  let made = { token: '', iat: Number.NEGATIVE_INFINITY };
  return () => {
    const iat = Math.floor(clock.nowMs() / 1000);
    // The clock was put right since: what was made by the other time may be refused.
    const isOld = iat < made.iat || iat >= made.iat + USED_SECONDS;
    if (isOld) {
      made = { token: signToken({ sub, aud, iat, exp: iat + SIGNED_TOKEN_SECONDS, jti: randomUUID() }, key), iat };
    }
    return made.token;
  };
}

/** The client of somebody: each request proves itself, and says which instance of the agent it comes from. */
export function asAgent(client: ServerClient, credential: Credential, instance: string): ServerClient {
  return async (request, signal) => {
    const ask = (token: string) =>
      client({ ...request, token, headers: { ...request.headers, 'taskejo-instance': instance } }, signal);
    const token = credential();
    try {
      return await ask(token);
    } catch (error) {
      // The refusal itself has told the time: a token of the right one may be all that was missing.
      const now = credential();
      if (!(error instanceof ServerRefusal) || error.status !== 401 || now === token) throw error;
      return ask(now);
    }
  };
}
