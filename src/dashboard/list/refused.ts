import type { RefusedDeliveries } from '../../usecases/forge/refused-deliveries.ts';
import { type Html, html, outside } from '../html.ts';
import { count } from '../words/amounts.ts';

export type Refused = ReturnType<RefusedDeliveries['lately']>;

/** Somebody forges deliveries, or the secret of a webhook isn't the configured one. An empty place while there are none. */
export const refusedNote = (refused: Refused): Html => html`
<div id="refused">${refused.map(
  ({ forge, deliveries }) =>
    html`<p class="warn" role="status">${count(deliveries)} ${deliveries === 1 ? 'delivery' : 'deliveries'} to ${outside(forge)} lately had a wrong signature and left no trace. If they are yours, compare the secret of the webhook.</p>`,
)}</div>`;
