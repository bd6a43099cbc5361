/**
 * One process of an agent: the store that it lives on (which a copy, or another machine, doesn't share), the how-manieth
 * start on that store it is, and what no other process has.
 */
export type Instance = { store: string; startNumber: number; nonce: string };

const FORM = /^([A-Za-z0-9._-]{1,100})\/(\d{1,15})\/([A-Za-z0-9._-]{1,100})$/;

/** From `store-id/start-number/nonce`; null where it is something else. */
export function readInstance(text: string): Instance | null {
  const [, store, startNumber, nonce] = FORM.exec(text) ?? [];
  if (store === undefined || startNumber === undefined || nonce === undefined) return null;
  return { store, startNumber: Number(startNumber), nonce };
}
