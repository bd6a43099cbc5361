import { type Html, html } from '../html.ts';
import { count } from '../words/amounts.ts';
import { type Item, type Line, lineId, spansOf } from './lines.ts';

/** Lines as they stand in a page. `page` is the address of the page with this attempt chosen, for links to them. */
export const logLines = (items: readonly Item[], page: string): Html[] =>
  items.map((item) => (item.kind === 'line' ? lineOf(item, page) : gapOf(item)));

function lineOf(line: Line, page: string): Html {
  const id = lineId(line);
  const spans = spansOf(line).map(({ text, classes }) =>
    classes === '' ? text : html`<span class="${classes}">${text}</span>`,
  );
  const rest = line.cut === 0 ? null : html`<span class="cut-off"> … ${count(line.cut)} more bytes</span>`;
  const label = line.stream === 'stdout' ? String(line.number) : id;
  const kind = line.stream === 'stdout' ? 'line' : 'line err';
  return html`<div id="${id}" class="${kind}"><a href="${page}#${id}" tabindex="-1" aria-label="line ${label}" data-n="${label}"></a><span>${spans.map(textOrSpan)}${rest}</span></div>
`;
}

const textOrSpan = (part: string | Html): Html => html`${part}`;

const gapOf = ({ stream, bytes, after }: Extract<Item, { kind: 'gap' }>): Html =>
  html`<div id="gap-${stream}-${after}" class="gap">${count(bytes)} bytes of ${stream} were left out here</div>
`;
