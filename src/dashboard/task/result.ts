import type { Attempt } from '../../domain/attempt.ts';
import { visibleLines } from '../../domain/visible.ts';
import { duration } from '../client/durations.ts';
import { type Html, html, outside } from '../html.ts';
import { count, size } from '../words/amounts.ts';
import type { TaskView } from './read-task.ts';

/** Of a longer summary or output only so much is shown. */
const MAX_SHOWN = 64 * 1024;

/** What came out of a task that has ended. */
export function resultSection(view: TaskView): Html {
  const { task, attempts } = view;
  const attempt = attempts.find(({ id }) => id === task.result?.attemptId);
  const parts = [...words(view), processesLeft(attempt), output(task.result?.output ?? null), figures(attempt)];
  const shown = parts.filter((part) => part !== null);
  return html`<h2>Result</h2><div class="box parts">${shown}</div>`;
}

function words({ task }: TaskView): Html[] {
  const { result, stopDetail } = task;
  if (result === null) {
    const why = stopDetail === null ? '' : `: ${stopDetail}`;
    return [html`<p class="said">${outside(`It was cancelled before it started${why}.`)}</p>`];
  }
  const code = result.exitCode === null ? '' : ` with exit code ${result.exitCode}`;
  const plain = result.outcome === 'completed' ? `It ended${code} and left no summary.` : null;
  const error = result.error === null ? null : html`<p class="said bad">${outside(sentenceCase(result.error))}</p>`;
  const summary = result.summary ?? (error === null ? plain : null);
  return [error, summary === null ? null : html`<p class="said text">${cut(visibleLines(summary))}</p>`].filter(
    (part) => part !== null,
  );
}

const sentenceCase = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

const cut = (text: string): Html => {
  const rest = text.length - MAX_SHOWN;
  return rest <= 0
    ? html`${text}`
    : html`${text.slice(0, MAX_SHOWN)} <span class="faint">… ${count(rest)} more characters</span>`;
};

function processesLeft(attempt: Attempt | undefined): Html | null {
  const left = attempt?.leftProcesses ?? [];
  if (left.length === 0) return null;
  const each = left.map(({ pid, command }) => html`<li><code>${pid} ${outside(command)}</code></li>`);
  return html`<div class="said"><p class="warn">Processes of it were still there at its end:</p><ul>${each}</ul></div>`;
}

const output = (value: unknown): Html | null =>
  value === null
    ? null
    : html`<details><summary>Output <span class="faint">JSON</span></summary><pre>${cut(visibleLines(JSON.stringify(value, null, 2)))}</pre></details>`;

type Figure = { key: string; word: string; form: (value: number) => string };
const FIGURES: readonly Figure[] = [
  { key: 'cost_usd', word: 'Cost', form: (value) => `$${value.toFixed(2)}` },
  { key: 'input_tokens', word: 'Tokens in', form: count },
  { key: 'output_tokens', word: 'Tokens out', form: count },
  { key: 'cpu_seconds', word: 'CPU', form: seconds },
  { key: 'wall_seconds', word: 'Clock', form: seconds },
  { key: 'max_rss_bytes', word: 'Peak memory', form: size },
];

/** Seconds of which there are few are told in tenths. */
function seconds(value: number): string {
  return value < 10 ? `${value.toFixed(1)} s` : duration(value);
}

function figures(attempt: Attempt | undefined): Html | null {
  const usage = attempt?.usage ?? {};
  const known = FIGURES.flatMap(({ key, word, form }) => {
    const value = usage[key];
    return value === undefined ? [] : [html`<div><dt>${word}</dt><dd>${form(value)}</dd></div>`];
  });
  return known.length === 0 ? null : html`<dl class="figures">${known}</dl>`;
}
