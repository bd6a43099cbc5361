import type { Stream } from '../../domain/machine.ts';
import type { PageContext } from '../deps.ts';
import type { Html } from '../html.ts';
import { type Message, partsData } from '../live/message.ts';
import { BEGINNING, type Position, readPosition } from '../log/lines.ts';
import { logFoot, nothingPrinted, pinned, writeReached } from '../log/log-box.ts';
import { logLines } from '../log/log-lines.ts';
import { createLogTail, type LogTail } from '../log/log-tail.ts';
import { readWindow } from '../log/read-window.ts';
import { attemptsSection, chosenAttempt, tabs } from './attempts.ts';
import { streamsOf, type TaskQuery } from './query.ts';
import { type TaskView, viewDigest } from './read-task.ts';
import { changingParts } from './task-page.ts';

/** What a page has: which state of the task, and how far which log. `log` is null for a page that can't take lines. */
export type Seen = { view: string | null; log: { attemptId: string; from: Record<Stream, Position> } | null };

/** What a page says it has, in its address or as the last id it was sent. */
export function readSeen(view: string | undefined, log: string | undefined): Seen {
  const [attemptId = '', stdout = '', stderr = ''] = log?.split('~') ?? [];
  const from = { stdout: readPosition(stdout), stderr: readPosition(stderr) };
  const known = from.stdout !== null && from.stderr !== null;
  return {
    view: view ?? null,
    log: known ? { attemptId, from: { stdout: from.stdout ?? BEGINNING, stderr: from.stderr ?? BEGINNING } } : null,
  };
}

export type TaskUpdates = {
  /** The attempt whose log is followed now. */
  followed(): string | null;
  /** What a page needs to show the task as it is in this view, and the lines printed since. */
  next(view: TaskView): Promise<Message[]>;
};

export function createTaskUpdates(c: PageContext, query: TaskQuery, seen: Seen, followsLog: boolean): TaskUpdates {
  const { deps } = c.get('dashboard');
  const streams = streamsOf(query);
  let shown = seen.view;
  let tail: LogTail | null = null;
  let ended = false;

  const id = () =>
    [shown, tail && writeReached(tail.attemptId, { positions: tail.positions() })].filter(Boolean).join('~');
  const parts = (all: readonly Html[]): Message => ({ id: id(), data: partsData(all) });

  /** Goes on where the page is, if what it says it has is the log that it should show. */
  const resume = (attemptId: string) => {
    if (tail !== null || seen.log?.attemptId !== attemptId) return;
    tail = createLogTail(deps, attemptId, streams, seen.log.from);
  };
  const showOther = async (view: TaskView, attemptId: string): Promise<Message> => {
    const log = await readWindow(deps, attemptId, streams, null);
    tail = log && createLogTail(deps, attemptId, streams, log.positions);
    ended = log?.complete ?? true;
    return parts([attemptsSection(view, query, log)]);
  };
  const newLines = async (view: TaskView): Promise<Message[]> => {
    if (tail === null || ended) return [];
    const news = await tail.read();
    ended = news.ended;
    const attempt = view.attempts.find(({ id }) => id === tail?.attemptId);
    if ((news.items.length === 0 && !ended) || attempt === undefined) return [];
    const lines = logLines(news.items, pinned(attempt, query)).join('');
    const log = { totalBytes: news.totalBytes, complete: news.ended };
    const foot = parts([logFoot(log), nothingPrinted(log)]);
    return lines === '' ? [foot] : [{ event: 'log', id: id(), data: lines }, foot];
  };

  return {
    followed: () => (ended ? null : (tail?.attemptId ?? null)),
    async next(view) {
      const messages: Message[] = [];
      const now = viewDigest(view);
      const chosen = chosenAttempt(view, query)?.id ?? null;
      if (chosen !== null) resume(chosen);
      const other = followsLog && chosen !== null && chosen !== tail?.attemptId;
      if (now !== shown) {
        shown = now;
        messages.push(parts([...changingParts(c, view), ...(other ? [] : [tabs(view, query)])]));
      }
      if (other) messages.push(await showOther(view, chosen));
      return [...messages, ...(await newLines(view))];
    },
  };
}
