import { hasLabels, normalizeLabels } from '../domain/match.ts';
import type { Forge } from './config-schema.ts';
import type { ForgeObject, ParsedDelivery } from './events.ts';
import { liesUnder } from './senders.ts';

/**
 * What is known of the labels of an issue or pull request. `episodes` counts for each label how often it has become
 * present; `observedAt` is the forge's own time of the newest body applied, in whole seconds.
 */
export type IssueState = {
  labels: readonly string[];
  episodes: Readonly<Record<string, number>>;
  observedAt: Date;
  /** The order of events can't be told from what came: the issue should be read again from the forge. */
  uncertain: boolean;
};

export type Observation = {
  /** What to store; null when the delivery changes nothing. */
  next: IssueState | null;
  newlyPresent: readonly string[];
  /** The delivery is older than what is known. */
  stale: boolean;
};

export type IssueReference = { repositoryId: number; number: number };

const OPENING = new Set(['issues', 'pull_request']);
const LABELLING = new Set(['issue_label', 'pull_request_label']);
const LABEL_ACTIONS = new Set(['label_updated', 'label_cleared']);

type Labelled = Extract<ForgeObject, { kind: 'issue' | 'pull_request' }>;

/**
 * The issue whose stored labels a delivery is to be compared with; null for deliveries that aren't compared, and for
 * those of another forge, whose numbers mean nothing here.
 */
export function comparedIssue(parsed: ParsedDelivery, forge: Forge): IssueReference | null {
  const object = labelledObject(parsed);
  const { repository } = parsed;
  if (object === null || repository === null || !liesUnder(repository.url, forge)) return null;
  return { repositoryId: repository.id, number: object.number };
}

function labelledObject(parsed: ParsedDelivery): Labelled | null {
  const { eventType, action, object } = parsed;
  if (object.kind !== 'issue' && object.kind !== 'pull_request') return null;
  const compares =
    (OPENING.has(eventType) && action === 'opened') ||
    (LABELLING.has(eventType) && action !== null && LABEL_ACTIONS.has(action));
  return compares ? object : null;
}

/**
 * Compares a delivery with what was stored, because `label_updated` doesn't say which label it is about. A newer body
 * replaces what is known. Times have whole seconds: within one the order of arrival decides, only `opened`, which
 * comes before every other event, takes no label away. An older body changes nothing. Where the order can't be told
 * the state is uncertain. Null for deliveries that aren't compared.
 */
export function observe(parsed: ParsedDelivery, stored: IssueState | null): Observation | null {
  const object = labelledObject(parsed);
  if (object === null) return null;
  if (stored === null) return applied(object.labels, object.updatedAt, null, false);
  if (object.updatedAt < stored.observedAt)
    return { next: { ...stored, uncertain: true }, newlyPresent: [], stale: true };
  if (object.updatedAt > stored.observedAt) return applied(object.labels, object.updatedAt, stored, false);
  const labels = parsed.action === 'opened' ? [...stored.labels, ...object.labels] : object.labels;
  return sameSet(labels, stored.labels)
    ? { next: null, newlyPresent: [], stale: false }
    : applied(labels, stored.observedAt, stored, true);
}

function applied(
  listed: readonly string[],
  observedAt: Date,
  stored: IssueState | null,
  uncertain: boolean,
): Observation {
  const labels = normalizeLabels(listed);
  const newlyPresent = labels.filter((label) => !stored?.labels.includes(label));
  const episodes = counted(stored, newlyPresent);
  return { next: { labels, episodes, observedAt, uncertain }, newlyPresent, stale: false };
}

const sameSet = (one: readonly string[], other: readonly string[]): boolean =>
  hasLabels(one, other) && hasLabels(other, one);

const counted = (stored: IssueState | null, newlyPresent: readonly string[]): Record<string, number> => {
  const episodes = new Map(Object.entries(stored?.episodes ?? {}));
  for (const label of newlyPresent) episodes.set(label, (episodes.get(label) ?? 0) + 1);
  return Object.fromEntries(episodes);
};
