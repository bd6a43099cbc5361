import type { z } from 'zod';
import { type DeliveryHeaders, headerValue } from './headers.ts';
import { type JsonObject, readJsonObject } from './json.ts';
import {
  type Comment,
  headSchema,
  type IssueFacts,
  issueCommentSchema,
  issueEventSchema,
  type PullRequestFacts,
  pullRequestCommentSchema,
  pullRequestEventSchema,
  pushEventSchema,
  type Release,
  type Repository,
  releaseEventSchema,
  reviewEventSchema,
  runEventSchema,
} from './payload.ts';
import { cutCharacters, safeText } from './text.ts';

export type { Comment, IssueFacts, PullRequestFacts, Release, Repository } from './payload.ts';

/** `test`: Forgejo's test button, known by a push that moves nothing. `after` is all zeros when the ref was deleted. */
export type Push = { ref: string; before: string; after: string; url: string; test: boolean };

/** What a delivery is about. `labels` are those that hold after the event: none after `label_cleared`. */
export type ForgeObject =
  | ({ kind: 'issue' } & IssueFacts)
  | ({ kind: 'pull_request' } & PullRequestFacts)
  | ({ kind: 'push' } & Push)
  | ({ kind: 'release' } & Release)
  | { kind: 'other' };

export type ParsedDelivery = {
  /** In one sentence why the body can't be understood; null when it can. Then `object` is `other`. */
  malformed: string | null;
  /** From the headers, which are not signed: to show and to route, never to trust. */
  forgeUuid: string | null;
  eventType: string;
  action: string | null;
  repository: Repository | null;
  /** Login of whoever did it. */
  sender: string | null;
  object: ForgeObject;
  /** The comment that was written, changed or deleted. */
  comment: Comment | null;
  /** Text of the review; its comments on lines are never delivered. */
  review: { content: string } | null;
  requestedReviewer: string | null;
};

type Facts = Pick<ParsedDelivery, 'object'> &
  Partial<Pick<ParsedDelivery, 'comment' | 'review' | 'requestedReviewer' | 'repository' | 'sender'>>;
type Reading = { facts: Facts } | { malformed: string };
type Reader = (body: JsonObject, action: string | null) => Reading;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MAX_EVENT_TYPE = 100;

/**
 * Understands one delivery. Never throws: a body that isn't a JSON object, is nested too deep or lacks what its event
 * needs is `malformed`; an event that means nothing here has the object `other`. Of the body only what is named in the
 * schemas is kept, with NUL and lone surrogates replaced.
 */
export function parseDelivery(delivery: { headers: DeliveryHeaders; body: Uint8Array }): ParsedDelivery {
  const uuid = headerValue(delivery.headers, 'x-forgejo-delivery') ?? '';
  const eventType = headerValue(delivery.headers, 'x-forgejo-event-type') ?? '';
  const parsed: ParsedDelivery = {
    malformed: null,
    forgeUuid: UUID.test(uuid) ? uuid.toLowerCase() : null,
    eventType: cutCharacters(safeText(eventType), MAX_EVENT_TYPE),
    action: null,
    repository: null,
    sender: null,
    object: { kind: 'other' },
    comment: null,
    review: null,
    requestedReviewer: null,
  };
  const read = readJsonObject(delivery.body);
  if ('malformed' in read) return { ...parsed, malformed: read.malformed };
  const head = headSchema.parse(read.object);
  const known = { ...parsed, action: head.action, repository: head.repository ?? null, sender: head.sender };
  const reading = (READERS.get(eventType) ?? readOther)(read.object, head.action);
  return 'malformed' in reading ? { ...known, malformed: reading.malformed } : { ...known, ...reading.facts };
}

function reader<T>(schema: z.ZodType<T>, facts: (value: T, action: string | null) => Facts): Reader {
  return (body, action) => {
    const result = schema.safeParse(body);
    if (result.success) return { facts: facts(result.data, action) };
    const [issue] = result.error.issues;
    return { malformed: `${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not as expected'}` };
  };
}

/** The body of `label_cleared` still lists the labels that were cleared. */
const cleared = <T extends IssueFacts>(facts: T, action: string | null): T =>
  action === 'label_cleared' ? { ...facts, labels: [] } : facts;

const readIssue = reader(issueEventSchema, (value, action) => ({
  object: { kind: 'issue', ...cleared(value.issue, action) },
}));
const readPullRequest = reader(pullRequestEventSchema, (value, action) => ({
  object: { kind: 'pull_request', ...cleared(value.pull_request, action) },
  requestedReviewer: value.requested_reviewer,
}));
const readReview = reader(reviewEventSchema, (value) => ({
  object: { kind: 'pull_request', ...value.pull_request },
  review: value.review,
}));
const readPush = reader(pushEventSchema, (value) => ({
  object: {
    kind: 'push',
    ref: value.ref,
    before: value.before,
    after: value.after,
    url: value.compare_url,
    test: value.before === value.after,
  },
}));
const readRelease = reader(releaseEventSchema, (value) => ({ object: { kind: 'release', ...value.release } }));
const readRun = reader(runEventSchema, (value) => ({
  object: { kind: 'other' },
  repository: value.run.repository,
  sender: value.run.trigger_user,
}));
const readOther: Reader = () => ({ facts: { object: { kind: 'other' } } });

const readIssueComment = reader(issueCommentSchema, (value) => ({
  object: { kind: 'issue', ...value.issue },
  comment: value.comment,
}));
const readPullRequestComment = reader(pullRequestCommentSchema, (value) => ({
  object: { kind: 'pull_request', ...value.pull_request },
  comment: value.comment,
}));
/** The body says whether it is a pull request: the event's name isn't signed, and forks hang on this. */
const readComment: Reader = (body, action) => {
  const issue = body.issue;
  const listed = typeof issue === 'object' && issue !== null && 'pull_request' in issue && issue.pull_request !== null;
  const onPullRequest = listed || (body.pull_request ?? null) !== null;
  return onPullRequest ? readPullRequestComment(body, action) : readIssueComment(body, action);
};

const READERS: ReadonlyMap<string, Reader> = new Map([
  ['issues', readIssue],
  ['issue_assign', readIssue],
  ['issue_label', readIssue],
  ['issue_milestone', readIssue],
  ['issue_comment', readComment],
  ['pull_request', readPullRequest],
  ['pull_request_assign', readPullRequest],
  ['pull_request_label', readPullRequest],
  ['pull_request_milestone', readPullRequest],
  ['pull_request_sync', readPullRequest],
  ['pull_request_review_request', readPullRequest],
  ['pull_request_review_approved', readReview],
  ['pull_request_review_rejected', readReview],
  ['pull_request_review_comment', readReview],
  ['pull_request_comment', readComment],
  ['push', readPush],
  ['release', readRelease],
  ['action_run_failure', readRun],
  ['action_run_success', readRun],
  ['action_run_recover', readRun],
]);
