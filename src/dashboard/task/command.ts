import { visibleLines } from '../../domain/visible.ts';
import { type Html, html, outside } from '../html.ts';
import { count, size } from '../words/amounts.ts';
import type { TaskView } from './read-task.ts';

/** Of a longer input only the beginning is shown. */
const MAX_SHOWN = 16 * 1024;

/** What an attempt runs. The values of its environment may be secret, so only their names are shown. */
export function commandSection({ task }: TaskView): Html {
  const { command, input, environment } = task;
  const names = Object.keys(environment).sort();
  return html`<section><h2>What it runs</h2><div class="box parts">
<details><summary>Command <code>${outside(command.join(' '))}</code></summary><ol class="arguments">${command.map((argument) => html`<li><code>${visibleLines(argument)}</code></li>`)}</ol></details>
${input === null ? null : html`<details><summary>Input <span class="faint">${size(Buffer.byteLength(input))}</span></summary><pre>${visibleLines(input.slice(0, MAX_SHOWN))}</pre>${rest(input)}</details>`}
${names.length === 0 ? null : html`<details><summary>Environment <span class="faint">${names.length === 1 ? '1 name' : `${names.length} names`}, the values are not shown</span></summary><ul class="arguments">${names.map((name) => html`<li><code>${name}</code></li>`)}</ul></details>`}
</div></section>`;
}

const rest = (input: string): Html | null =>
  input.length <= MAX_SHOWN ? null : html`<p class="faint">… ${count(input.length - MAX_SHOWN)} more characters</p>`;
