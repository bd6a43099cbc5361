import type { Budget } from '../endings.ts';
import { MOVES, type Move } from '../moves.ts';
import { type AgentMode, type FailureClass, isTaken, type Outcome, type Status } from '../task.ts';
import { type Breach, type BreachCode, breach } from './breach.ts';
import type { Told } from './chain.ts';

export type ToldAttempt = {
  id: string;
  mode: AgentMode | null;
  started: boolean;
  ended: { outcome: Outcome | null; failureClass: FailureClass | null } | null;
};

/** What the events of a task tell, when they are told from the first to the last. */
export type Story = {
  status: Status | null;
  /** In the order in which they were opened. */
  attempts: ToldAttempt[];
  spent: Record<Budget, number>;
  breaches: Breach[];
};

/** What says something about an attempt that only its holder, or the server for it, may say while it is current. */
const OF_THE_CURRENT = ['started', 'reattached', 'cancel_requested', 'completed', 'failed', 'lease_lost', 'released'];

export function tellStory(taskId: string, events: readonly Told[]): Story {
  const story: Story = { status: null, attempts: [], spent: { retries: 0, infraRetries: 0 }, breaches: [] };
  let stopAsked = false;
  for (const event of events) {
    const breaches = (code: BreachCode, detail: string) =>
      story.breaches.push(breach(code, taskId, `event ${event.n} (${event.type}): ${detail}`));
    if (!mayFollow(story.status, event) || (isByForce(event) && !mayForce(story, stopAsked))) {
      breaches(
        'illegal_move',
        `${event.who} made ${event.from ?? 'nothing'} of ${story.status ?? 'nothing'} ${event.to}`,
      );
    }
    if (speaksForAnother(story, event))
      breaches('fenced_attempt_wrote', `attempt ${event.attemptId} is not the current`);
    if (event.to === 'running' && stopAsked) breaches('started_after_stop', 'a stop had been asked before');
    if (event.to !== null && !fits(event)) breaches('result_contradicts', `${event.outcome} can't make it ${event.to}`);
    stopAsked = event.to === 'assigned' ? false : stopAsked || event.type === 'cancel_requested';
    follow(story, event);
  }
  return story;
}

function mayFollow(status: Status | null, { n, type, from, to, who }: Told): boolean {
  if (n === 1) return type === 'created' && from === null && to === 'pending';
  if (from === null && to === null) return true;
  return from !== null && to !== null && from === status && moves.some((move) => allows(move, from, to, who));
}

const moves: readonly Move[] = MOVES;
const allows = (move: Move, from: Status, to: Status, who: Told['who']) =>
  move.from.includes(from) && move.to.includes(to) && move.who.includes(who);

/** Only the holder ends an attempt, or the server for it; a person may where its host can't be asked to stop. */
const isByForce = (event: Told): boolean => endsAttempt(event) && event.who !== 'agent' && event.who !== 'server';
const mayForce = (story: Story, stopAsked: boolean): boolean => stopAsked && current(story)?.mode === 'ssh_cli';

const current = (story: Story): ToldAttempt | undefined => story.attempts.at(-1);
const endsAttempt = ({ from, to }: Told): boolean => from !== null && isTaken(from) && to !== null && !isTaken(to);

/** Opening one is not speaking for it, and a pending task's cancel speaks for none. */
function speaksForAnother(story: Story, event: Told): boolean {
  if (event.attemptId === null || event.to === 'assigned') return false;
  if (!OF_THE_CURRENT.includes(event.type) && !endsAttempt(event)) return false;
  const attempt = current(story);
  return attempt?.id !== event.attemptId || attempt.ended !== null;
}

/** What the table of endings lets become of a task whose attempt ended so. */
const BECOMES: Record<Outcome, readonly Status[]> = {
  completed: ['completed'],
  failed: ['failed', 'pending'],
  lost: ['failed', 'pending'],
  cancelled: ['cancelled'],
  released: ['pending'],
  preempted: ['pending'],
};

const fits = (event: Told): boolean =>
  !endsAttempt(event) || (event.outcome !== null && event.to !== null && BECOMES[event.outcome].includes(event.to));

/** From which budget a new try is taken after such an end. */
function budgetOf(outcome: Outcome | null, failureClass: FailureClass | null): Budget | null {
  if (outcome === 'lost') return 'infraRetries';
  if (outcome !== 'failed') return null;
  return failureClass === 'setup' || failureClass === 'infrastructure' ? 'infraRetries' : 'retries';
}

function follow(story: Story, event: Told): void {
  const attempt = current(story);
  if (event.to === 'assigned' && event.attemptId !== null) {
    story.attempts.push({ id: event.attemptId, mode: event.mode, started: false, ended: null });
  } else if (event.to === 'running' && attempt) attempt.started = true;
  else if (endsAttempt(event) && attempt) {
    attempt.ended = { outcome: event.outcome, failureClass: event.failureClass };
    const budget = event.to === 'pending' ? budgetOf(event.outcome, event.failureClass) : null;
    if (budget !== null) story.spent[budget] += 1;
  }
  if (event.type === 'retried') story.spent = { retries: 0, infraRetries: 0 };
  story.status = event.to ?? story.status;
}
