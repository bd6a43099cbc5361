import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';

/** What an agent that has a key of its own says by it. Times are the server's, in seconds. */
export type Claims = {
  /** The agent's id; where it registers, its name. */
  sub: string;
  /** The installation that it speaks to. */
  aud: string;
  iat: number;
  exp: number;
  jti: string;
};

/** A token as it came, before anybody has looked whether its signature is right. */
export type SignedToken = { claims: Claims; signed: Buffer; signature: Buffer };

/** The two halves of an Ed25519 key, as base64url of 32 bytes each. */
export type KeyPair = { publicKey: string; privateKey: string };

/** A signed token is good for so long at most, so that one that was stolen is soon worth nothing. */
export const SIGNED_TOKEN_SECONDS = 300;
/** The clocks of replicas may be so far apart. */
const LEEWAY_SECONDS = 60;
const HEADER = { alg: 'EdDSA', typ: 'taskejo-agent' };
const FORM = /^(eyJ[A-Za-z0-9_-]{1,200})\.([A-Za-z0-9_-]{1,2000})\.([A-Za-z0-9_-]{86})$/;
/** Not empty, and without NUL, which the database can't be asked for. */
const STORABLE = /^[^\0]+$/;
const PUBLIC_KEY = /^[A-Za-z0-9_-]{43}$/;

export function newKeyPair(): KeyPair {
  const { x = '', d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return { publicKey: x, privateKey: d };
}

const jwk = (publicKey: string) => ({ kty: 'OKP', crv: 'Ed25519', x: publicKey });

/** The key that signs. Throws where the halves are none, or not of one key. */
export const signingKey = ({ publicKey, privateKey }: KeyPair): KeyObject =>
  createPrivateKey({ key: { ...jwk(publicKey), d: privateKey }, format: 'jwk' });

/** Whether this is the public half of a key, as it is sent and stored. */
export const isPublicKey = (text: string): boolean =>
  PUBLIC_KEY.test(text) && Buffer.from(text, 'base64url').toString('base64url') === text;

/** A compact JWS (RFC 7515) over the claims, by EdDSA (RFC 8037). */
export function signToken(claims: Claims, key: KeyObject): string {
  const signed = `${encode(HEADER)}.${encode(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The parts of a signed token, be it good or not; null for what is none. */
export function readSignedToken(text: string): SignedToken | null {
  const [, header, payload, signature] = FORM.exec(text) ?? [];
  if (header === undefined || payload === undefined || signature === undefined) return null;
  const { alg, typ } = decode(header);
  const claims = decode(payload);
  if (alg !== HEADER.alg || typ !== HEADER.typ || !areClaims(claims)) return null;
  return { claims, signed: Buffer.from(`${header}.${payload}`), signature: Buffer.from(signature, 'base64url') };
}

function decode(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const areClaims = (value: Record<string, unknown>): value is Claims =>
  [value.sub, value.aud, value.jti].every((text) => typeof text === 'string' && STORABLE.test(text)) &&
  [value.iat, value.exp].every((time) => Number.isSafeInteger(time));

/** Whether the token is for this installation, and of this moment. */
export function isInForce({ aud, iat, exp }: Claims, installationId: string, nowMs: number): boolean {
  const now = nowMs / 1000;
  return aud === installationId && exp <= iat + SIGNED_TOKEN_SECONDS && iat <= now + LEEWAY_SECONDS && now < exp;
}

/** Whether the holder of this key signed the token. */
export const isSignedBy = ({ signed, signature }: SignedToken, publicKey: string): boolean =>
  verify(null, signed, createPublicKey({ key: jwk(publicKey), format: 'jwk' }), signature);
