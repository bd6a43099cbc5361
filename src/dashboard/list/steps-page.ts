import { type Html, html, outside } from '../html.ts';
import { since } from '../words/times.ts';
import type { Steps } from './read-steps.ts';
import { refusedNote } from './refused.ts';

type Step = { title: string; says: Html; standing: Html; done: boolean; commands: readonly Command[] };
/** `$` before what a terminal takes; nothing before what goes elsewhere. */
type Command = { before: '$' | null; text: string };

/** What there is before the first task: the way to it. */
export function stepsContent(steps: Steps, nowMs: number): Html {
  const all = [connectMachine(steps), connectForge(steps, nowMs), ask(steps)];
  const done = all.filter((step) => step.done).length;
  const now = all.findIndex((step) => !step.done);
  return html`
<div id="content" class="width narrow" data-kind="steps">
<h1>Three steps to the first task</h1>
<p class="lead">This page ticks them off as they come true. ${['None', 'One', 'Two'][done] ?? 'All'} of three ${done < 2 ? 'is' : 'are'} done.</p>
${refusedNote(steps.refused)}<ol class="steps">${all.map((step, index) => stepOf(step, index, index === now))}</ol>
<p class="after">Nothing to connect at hand? <code>npm run demo</code> shows it all on this machine in a minute.</p>
</div>`;
}

function stepOf({ title, says, standing, done, commands }: Step, index: number, isNow: boolean): Html {
  const mark = done ? tick : html`${index + 1}`;
  return html`<li class="${done ? 'done' : isNow ? 'now' : 'later'}"><span class="step" aria-hidden="true">${mark}</span><div><div class="step-head"><h2>${title}</h2><span class="standing">${standing}</span></div><p>${says}</p>${commands.map(commandOf)}</div></li>`;
}

const tick = html`<svg viewBox="0 0 14 14"><path d="M3 7.5l2.75 2.75L11 4.75" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/></svg>`;

const commandOf = ({ before, text }: Command): Html =>
  html`<div class="command"><code>${before === null ? null : html`<span class="prompt">${before} </span>`}<span data-copied>${text}</span></code><button type="button" class="plain needs-script" data-copy>Copy</button></div>`;

function connectMachine({ online, offline, publicUrl }: Steps): Step {
  const [first] = online;
  const others = online.length > 1 ? ` and ${online.length - 1} more` : '';
  return {
    title: 'Connect a machine',
    says: html`A machine that the server reaches over SSH stands in the configuration file, under <code>hosts</code>. Any other runs the agent, which asks for work by itself:`,
    standing:
      first === undefined
        ? html`${offline[0] === undefined ? 'No machine yet' : html`${outside(offline[0])} is offline`}`
        : html`${outside(first)}${others} ${online.length > 1 ? 'are' : 'is'} online`,
    done: first !== undefined,
    commands: [
      { before: '$', text: 'taskejo token create agents --scope register' },
      {
        before: '$',
        text: `TASKEJO_AGENT_SERVER__URL=${publicUrl} TASKEJO_AGENT_SERVER__REGISTRATION_TOKEN=tkj_register_… taskejo agent`,
      },
    ],
  };
}

function connectForge({ forges, deliveredAt, publicUrl }: Steps, nowMs: number): Step {
  return {
    title: 'Connect Forgejo',
    says:
      forges.length === 0
        ? html`Name it in the configuration file, under <code>forges</code>, with the secret of its webhook.`
        : html`Add a webhook to a repository, with the secret that stands in the configuration file, and press <i>Test delivery</i>. Its address:`,
    standing:
      deliveredAt === null
        ? html`No delivery has arrived yet`
        : html`A delivery came ${since(deliveredAt, nowMs, 'age')} ago`,
    done: deliveredAt !== null,
    commands: forges.map((forge) => ({ before: null, text: `${publicUrl}/webhooks/forgejo/${forge}` })),
  };
}

const ask = ({ deliveredAt, online }: Steps): Step => ({
  title: 'Ask for something',
  says: html`Write <code>/run</code> in a comment on an issue of the repository, or ask from a terminal:`,
  standing: html`${deliveredAt === null && online.length === 0 ? 'After step 1 or 2' : 'No task yet'}`,
  done: false,
  commands: [{ before: '$', text: 'taskejo task create --title "Say hello" -- echo hello' }],
});
