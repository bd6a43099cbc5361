import { meansRepository } from '../domain/repository-pattern.ts';
import type { Forge } from './config-schema.ts';
import type { Repository } from './events.ts';

/** Forgejo's own user for what its Actions do. */
const ACTIONS_USER = 'forgejo-actions';

const same = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** Whether the server's own bot did it, or Forgejo's Actions: what they do starts nothing, else it would go round. */
export const isOwnLogin = (login: string, forge: Forge): boolean =>
  same(login, ACTIONS_USER) || (forge.bot !== null && same(login, forge.bot));

/** The repository's owner and the forge's trusted senders, as `login` or `login@owner/name`. Logins have no case. */
export function maySend(login: string, repository: Repository, forge: Forge): boolean {
  if (same(login, repository.ownerLogin)) return true;
  return forge.trustedSenders.some(
    (trusted) => same(trusted, login) || same(trusted, `${login}@${repository.fullName}`),
  );
}

/** Whether an address lies under the forge's own, compared as addresses and not as text. */
export function liesUnder(address: string, forge: Forge): boolean {
  const url = URL.parse(address);
  const base = URL.parse(forge.url);
  if (url === null || base === null || url.origin !== base.origin) return false;
  return url.pathname.startsWith(`${base.pathname.replace(/\/+$/, '')}/`);
}

/** Whether `owner/name` or `forge:owner/name`, with `*` for a whole part, means this repository. */
export const matchesRepository = (pattern: string, forgeName: string, fullName: string): boolean =>
  meansRepository(pattern, `${forgeName}:${fullName}`);

export const sameLogin = same;
