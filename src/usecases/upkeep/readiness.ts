import { isDatabaseAway } from '../../store/database-errors.ts';
import { readInstallation } from '../../store/installation.ts';
import type { Deps } from '../deps.ts';

export { isDatabaseAway };

/** Whoever asks whether we are ready wants to know it soon. */
const ANSWER_WITHIN_MS = 2_000;

/** Whether the database answers and has its tables. */
export async function isReady(deps: Pick<Deps, 'db'>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ANSWER_WITHIN_MS);
  const answer = readInstallation(deps.db).then(
    () => true,
    () => false,
  );
  const ready = await Promise.race([answer, late.promise]);
  clearTimeout(timer);
  return ready;
}
