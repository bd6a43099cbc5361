import { randomBytes } from 'node:crypto';
import { derivedKey, isSame, mac } from './session.ts';

export type FormTokens = {
  /** For a hidden field of a form that is made for this browser. */
  make(subject: string): string;
  isOf(token: string, subject: string): boolean;
};

/**
 * Tokens by which a form is known to come from a page that we made for this very browser. Each is another text, so
 * that nobody can guess one from the sizes of compressed pages.
 */
export function createFormTokens(secret: Uint8Array): FormTokens {
  const key = derivedKey(secret, 'form token');
  const sign = (salt: string, subject: string) => mac(key, JSON.stringify([salt, subject]));
  return {
    make(subject) {
      const salt = randomBytes(12).toString('base64url');
      return `${salt}.${sign(salt, subject)}`;
    },
    isOf(token, subject) {
      const [salt = '', signature = ''] = token.split('.');
      return isSame(signature, sign(salt, subject));
    },
  };
}
