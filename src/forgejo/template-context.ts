import type { ParsedDelivery } from './events.ts';

/** A value that stands for `{{ name }}`. Null, where the event has no such thing, renders as nothing. */
export type TemplateValue = string | number | boolean | null;

/**
 * Everything that a template may name of an event. A pull request is an issue too, as in Forgejo: `issue` is filled for
 * both, `pull_request` for pull requests only; `comment` and `words` only when a comment was written.
 */
export type EventContext = {
  event: TemplateValue;
  words: TemplateValue;
  ref: TemplateValue;
  sha: TemplateValue;
  repository: { full_name: TemplateValue; url: TemplateValue; default_branch: TemplateValue };
  sender: { login: TemplateValue };
  issue: Described;
  pull_request: Described & { head_ref: TemplateValue; base_ref: TemplateValue };
  comment: { id: TemplateValue; body: TemplateValue; user: { login: TemplateValue } };
};
type Described = {
  number: TemplateValue;
  title: TemplateValue;
  body: TemplateValue;
  url: TemplateValue;
  author: TemplateValue;
};

const NOTHING: Described = { number: null, title: null, body: null, url: null, author: null };

/** The context of a task that no event made. */
export const EMPTY_CONTEXT: EventContext = {
  event: null,
  words: null,
  ref: null,
  sha: null,
  repository: { full_name: null, url: null, default_branch: null },
  sender: { login: null },
  issue: NOTHING,
  pull_request: { ...NOTHING, head_ref: null, base_ref: null },
  comment: { id: null, body: null, user: { login: null } },
};

/** The names that a template may use without declaring them, as `issue.title`. */
export const EVENT_VARIABLES: readonly string[] = leaves(EMPTY_CONTEXT);
export const EVENT_ROOTS: readonly string[] = Object.keys(EMPTY_CONTEXT);

function leaves(value: object): string[] {
  return Object.entries(value).flatMap(([key, member]) =>
    typeof member === 'object' && member !== null ? leaves(member).map((leaf) => `${key}.${leaf}`) : [key],
  );
}

/** What a delivery gives to a template; `words` are those after the command. */
export function eventContext(parsed: ParsedDelivery, words: string | null): EventContext {
  const { object, repository, comment } = parsed;
  return {
    ...EMPTY_CONTEXT,
    event: parsed.eventType,
    words,
    ...refOf(parsed),
    repository: {
      full_name: repository?.fullName ?? null,
      url: repository?.url ?? null,
      default_branch: repository?.defaultBranch ?? null,
    },
    sender: { login: parsed.sender },
    issue: object.kind === 'issue' || object.kind === 'pull_request' ? described(object) : NOTHING,
    pull_request:
      object.kind === 'pull_request'
        ? { ...described(object), head_ref: object.headRef, base_ref: object.baseRef }
        : EMPTY_CONTEXT.pull_request,
    comment: comment ? { id: comment.id, body: comment.body, user: { login: comment.author } } : EMPTY_CONTEXT.comment,
  };
}

const described = (object: Described): Described => ({
  number: object.number,
  title: object.title,
  body: object.body,
  url: object.url,
  author: object.author,
});

/** The ref and commit that an event is about, where there are any. */
export function refOf(parsed: ParsedDelivery): { ref: string | null; sha: string | null } {
  const { object } = parsed;
  if (object.kind === 'pull_request') return { ref: object.headRef || null, sha: object.headSha || null };
  if (object.kind === 'push') return { ref: object.ref, sha: object.after };
  if (object.kind === 'release') return { ref: `refs/tags/${object.tagName}`, sha: null };
  return { ref: null, sha: null };
}
