import type { PageContext } from '../deps.ts';
import { lookAgain } from '../live/look-again.ts';
import type { Message } from '../live/message.ts';
import { readTask, type TaskView } from './read-task.ts';
import type { TaskUpdates } from './task-updates.ts';

/** Even while only its log changes, a task is read again so often. */
const VIEW_KEPT_MS = 700;

/** What happens to a task and what is printed, as messages for its page, until the signal fires. */
export async function* followTask(
  c: PageContext,
  taskId: string,
  updates: TaskUpdates,
  signal: AbortSignal,
): AsyncGenerator<Message[]> {
  const { deps } = c.get('dashboard');
  let view: TaskView | null = null;
  let readAtMs = Number.NEGATIVE_INFINITY;

  const isAbout: Parameters<typeof lookAgain>[1] = (hint) => {
    if (hint.kind === 'log') return hint.attemptId === updates.followed();
    const about = hint.kind !== 'task' || hint.taskId === taskId;
    if (about) readAtMs = Number.NEGATIVE_INFINITY;
    return about;
  };
  const look = async (): Promise<Message[]> => {
    if (performance.now() - readAtMs > VIEW_KEPT_MS) {
      readAtMs = performance.now();
      view = await readTask(deps, taskId, c.get('visitor').restriction);
    }
    const messages = view === null ? [] : await updates.next(view);
    watch.refresh();
    return messages;
  };
  const watch = watchLog(c, updates);
  try {
    yield* lookAgain(deps, isAbout, signal, look);
  } finally {
    watch.stop();
  }
}

/** Says that somebody watches a log, so that its end comes at once, too. */
function watchLog(c: PageContext, updates: TaskUpdates): { refresh(): void; stop(): void } {
  const { followers } = c.get('dashboard').deps;
  let watched: { attemptId: string; stop: () => void } | null = null;
  return {
    refresh() {
      const attemptId = updates.followed();
      if (attemptId === (watched?.attemptId ?? null)) return;
      watched?.stop();
      watched = attemptId === null ? null : { attemptId, stop: followers.add(attemptId) };
    },
    stop: () => watched?.stop(),
  };
}
