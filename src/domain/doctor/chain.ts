import { eventHash } from '../event.ts';
import type { ActorKind, AgentMode, FailureClass, Outcome, Status } from '../task.ts';
import { type Breach, breach } from './breach.ts';
import type { ExaminedEvent, TaskFacts } from './facts.ts';

/** What an event's text tells, as far as the checks need it. */
export type Told = {
  n: number;
  attemptId: string | null;
  type: string;
  who: ActorKind;
  from: Status | null;
  to: Status | null;
  outcome: Outcome | null;
  failureClass: FailureClass | null;
  /** Of the attempt that it opens. */
  mode: AgentMode | null;
};

/**
 * Numbers without a gap, each hash over the one before, the columns as the text has them, and the end of the chain in
 * the task's row. Only the first break is told: what comes after it can't be trusted.
 */
export function checkChain({ task, events }: Pick<TaskFacts, 'task' | 'events'>): Breach[] {
  const broken = (detail: string) => [breach('chain_broken', task.id, detail)];
  let hash: string | null = null;
  for (const [index, event] of events.entries()) {
    if (event.n !== index + 1) return broken(`event ${index + 1} is missing`);
    if (eventHash(hash, event.text) !== event.hash)
      return broken(`the hash of event ${event.n} does not match its text`);
    if (!agrees(task.id, event)) return broken(`the columns of event ${event.n} differ from its text`);
    hash = event.hash;
  }
  if (events.length !== task.eventN) return broken(`the task has ${task.eventN} events, the history ${events.length}`);
  return hash === task.eventHash ? [] : broken(`the task's row has another hash than its last event`);
}

function agrees(taskId: string, event: ExaminedEvent): boolean {
  const text = parse(event);
  const told = { task: text?.task_id, n: text?.n, type: text?.type, attempt: text?.attempt_id ?? null };
  return told.task === taskId && told.n === event.n && told.type === event.type && told.attempt === event.attemptId;
}

/** As `eventText` writes it. */
type Text = {
  task_id: string;
  n: number;
  type: string;
  attempt_id: string | null;
  actor: { kind: ActorKind };
  from_status: Status | null;
  to_status: Status | null;
  data: { outcome?: Outcome; failure_class?: FailureClass | null; execution_mode?: AgentMode };
};

function parse({ text }: ExaminedEvent): Text | null {
  try {
    return JSON.parse(text) as Text;
  } catch {
    return null;
  }
}

/** For events of a chain that is whole. */
export function readEvent(event: ExaminedEvent): Told {
  const text = parse(event) as Text;
  return {
    n: event.n,
    attemptId: event.attemptId,
    type: event.type,
    who: text.actor.kind,
    from: text.from_status,
    to: text.to_status,
    outcome: text.data.outcome ?? null,
    failureClass: text.data.failure_class ?? null,
    mode: text.to_status === 'assigned' ? (text.data.execution_mode ?? null) : null,
  };
}
