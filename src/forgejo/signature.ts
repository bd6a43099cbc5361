import { createHmac, timingSafeEqual } from 'node:crypto';
import { type DeliveryHeaders, headerValue } from './headers.ts';

const SIGNATURE_HEADER = 'x-forgejo-signature';
const HEX_SHA256 = /^[0-9a-f]{64}$/;

/**
 * Whether the bytes of a delivery were signed with one of the secrets: `X-Forgejo-Signature` is the bare lower-case
 * hex HMAC-SHA256 over the raw body. Anything else there (missing, empty, upper case, with a prefix, given twice) is
 * false, and no other header counts. Every secret is tried in constant time, so that the time taken doesn't tell
 * which one fits; an empty secret never does.
 */
export function verifySignature(rawBody: Uint8Array, headers: DeliveryHeaders, secrets: readonly string[]): boolean {
  const given = headerValue(headers, SIGNATURE_HEADER) ?? '';
  const wellFormed = HEX_SHA256.test(given);
  const expected = Buffer.from(wellFormed ? given : '0'.repeat(64), 'hex');
  let verified = false;
  for (const secret of secrets) {
    const computed = createHmac('sha256', secret).update(rawBody).digest();
    const same = timingSafeEqual(computed, expected);
    verified = (same && secret !== '') || verified;
  }
  return verified && wellFormed;
}
