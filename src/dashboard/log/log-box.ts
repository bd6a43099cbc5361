import type { Attempt } from '../../domain/attempt.ts';
import type { Stream } from '../../domain/machine.ts';
import { type Html, html } from '../html.ts';
import { type TaskQuery, taskAddress } from '../task/query.ts';
import { count, size } from '../words/amounts.ts';
import { type Item, type Line, lineId, writePosition } from './lines.ts';
import { logLines } from './log-lines.ts';
import type { LogView } from './read-window.ts';

/** The log of an attempt, with what can be done with it. */
export function logBox(taskId: string, attempt: Attempt, query: TaskQuery, log: LogView): Html {
  const follows = !log.complete && !log.later;
  const follow = follows
    ? html`<button type="button" class="needs-script" data-follow aria-pressed="true">Following</button>`
    : null;
  return html`<div id="log" class="log">
<div class="log-bar"><nav class="choice" aria-label="Stream">${streamLinks(query)}</nav><span class="end"><a class="button" href="/tasks/${taskId}/log${downloadQuery(attempt, query)}" download>Download</a>${follow}</span></div>
${logNote(log)}
<div id="lines" class="lines" tabindex="0" role="region" aria-label="Log">${moreLines(log.earlier, log.items.find(isLine), query, 'Earlier lines')}<div id="line-list">${logLines(log.items, pinned(attempt, query))}</div>${moreLines(log.later, log.items.findLast(isLine), query, 'Later lines')}${log.items.length === 0 ? nothingPrinted(log) : null}</div>
${logFoot(log)}
</div>`;
}

const isLine = (item: Item): item is Line => item.kind === 'line';

/** The page with this attempt chosen, so that a link to a line means the same tomorrow. */
export const pinned = ({ number }: Pick<Attempt, 'number'>, query: TaskQuery): string =>
  taskAddress({ ...query, attempt: number, line: null });

const downloadQuery = ({ number }: Attempt, { stream }: TaskQuery): string =>
  taskAddress({ attempt: number, stream, line: null });

function streamLinks(query: TaskQuery): Html[] {
  const link = (stream: Stream | null, word: string) => {
    const current = stream === query.stream ? html` aria-current="true"` : null;
    return html`<a href="${taskAddress({ ...query, stream, line: null })}"${current}>${word}</a>`;
  };
  return [link(null, 'Both'), link('stdout', 'stdout'), link('stderr', 'stderr')];
}

function moreLines(there: boolean, edge: Line | undefined, query: TaskQuery, word: string): Html | null {
  if (!there || edge === undefined) return null;
  const line = lineId(edge);
  return html`<p class="more"><a href="${taskAddress({ ...query, line })}#${line}">${word}</a></p>`;
}

export const nothingPrinted = ({ complete }: Pick<LogView, 'complete'>): Html =>
  html`<p id="nothing-printed" class="more">${complete ? 'It printed nothing.' : 'Nothing printed yet.'}</p>`;

/** That a part isn't kept, where it can't be overlooked. */
const logNote = ({ leftOutBytes, complete }: Pick<LogView, 'leftOutBytes' | 'complete'>): Html =>
  leftOutBytes === 0
    ? html`<p id="log-note" hidden></p>`
    : html`<p id="log-note">${count(leftOutBytes)} bytes were left out between the beginning and the end.${complete ? '' : ' The numbers after them settle when the attempt ends.'}</p>`;

export const logFoot = ({ totalBytes, complete }: Pick<LogView, 'totalBytes' | 'complete'>): Html =>
  html`<p id="log-foot"${complete ? html` data-complete` : null}><span>${size(totalBytes)}${complete ? '' : ' so far'}</span><span>stderr is marked at the left</span></p>`;

/** How far a page has the log of an attempt, as its stream is told. */
export const writeReached = (attemptId: string, { positions }: Pick<LogView, 'positions'>): string =>
  [attemptId, writePosition(positions.stdout), writePosition(positions.stderr)].join('~');
