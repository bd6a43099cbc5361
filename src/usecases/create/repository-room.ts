import type { Transaction } from 'kysely';
import { AppError } from '../../domain/errors.ts';
import { countOpen, lockRepository } from '../../store/open-tasks.ts';
import type { Database } from '../../store/schema.ts';
import type { Deps } from '../deps.ts';

type Limits = Pick<Deps, 'settings'>;

/** Whether a task is one of those that are counted before they are made. */
export const isCounted = ({ settings }: Limits, { repository }: { repository: string | null }): boolean =>
  settings.limits.maxOpenPerRepository !== null && repository !== null;

/** Throws `rate_limited` if with these tasks more of a repository were open than may be. */
export async function requireRoom(
  trx: Transaction<Database>,
  deps: Limits,
  tasks: readonly { repository: string | null }[],
): Promise<void> {
  const counted = tasks.filter((task) => isCounted(deps, task)).map(({ repository }) => repository ?? '');
  for (const repository of [...new Set(counted)].sort()) {
    const wanted = counted.filter((one) => one === repository).length;
    const why = await whyFull(trx, deps, repository, wanted);
    if (why !== null) throw new AppError('rate_limited', why, { extra: { retry_after_seconds: RETRY_AFTER_SECONDS } });
  }
}

/** When some of the open tasks may have ended, nobody knows. */
const RETRY_AFTER_SECONDS = 30;

/** Why so many tasks more of a repository can't be made now, in one sentence; null: they can. */
export async function whyFull(
  trx: Transaction<Database>,
  { settings }: Limits,
  repository: string,
  wanted = 1,
): Promise<string | null> {
  const most = settings.limits.maxOpenPerRepository;
  if (most === null) return null;
  await lockRepository(trx, repository);
  const open = await countOpen(trx, repository, most + 1);
  return open + wanted <= most
    ? null
    : `${open} tasks of ${repository} are open, and ${most} may be (max_open_per_repository).`;
}
