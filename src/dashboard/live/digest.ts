import { createHash } from 'node:crypto';

const LENGTH = 16;

/** A short name for plain data: the same for what is equal. */
export const digest = (data: unknown): string =>
  createHash('sha256').update(JSON.stringify(data)).digest('base64url').slice(0, LENGTH);
