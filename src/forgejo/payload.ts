import { z } from 'zod';
import { safeText } from './text.ts';

/*
 * The parts of Forgejo's webhook bodies that are used here, of versions 11 to 16. What is needed to decide is required;
 * the rest may be missing or null; what isn't named is left out, so that no e-mail address gets further than this.
 */

const MAX_ISSUE_NUMBER = 2_147_483_647;

const text = z.string().transform(safeText);
const textOrEmpty = text.nullish().transform((value) => value ?? '');
const textOrNull = text.nullish().transform((value) => (value === undefined || value === '' ? null : value));
const moment = z.iso.datetime({ offset: true }).transform((value) => new Date(value));
const number = z.int().min(1).max(MAX_ISSUE_NUMBER);
const id = z.int().min(0);

const user = z.object({ login: text });
const login = user.nullish().transform((value) => value?.login ?? null);
const logins = z
  .array(user)
  .nullish()
  .transform((users) => (users ?? []).map((one) => one.login));
const labels = z
  .array(z.object({ name: text }))
  .nullish()
  .transform((all) => (all ?? []).map((label) => label.name));

const repository = z
  .object({ id, full_name: text, owner: user, html_url: text, default_branch: textOrEmpty })
  .transform((value) => ({
    id: value.id,
    fullName: value.full_name,
    ownerLogin: value.owner.login,
    url: value.html_url,
    defaultBranch: value.default_branch,
  }));

const issueFields = {
  number,
  title: textOrEmpty,
  body: textOrEmpty,
  user: login,
  labels,
  assignees: logins,
  state: textOrEmpty,
  html_url: textOrEmpty,
  updated_at: moment,
};
type IssueFields = z.output<z.ZodObject<typeof issueFields>>;

const common = (value: IssueFields) => ({
  number: value.number,
  title: value.title,
  body: value.body,
  author: value.user,
  labels: value.labels,
  assignees: value.assignees,
  state: value.state,
  url: value.html_url,
  updatedAt: value.updated_at,
});

const issue = z.object(issueFields).transform(common);

const branch = z.object({ ref: textOrEmpty, sha: textOrEmpty, repo: z.object({ id }).nullish() });
const AGIT_FLOW = 1;

const pullRequest = z
  .object({ ...issueFields, head: branch, base: branch, draft: z.boolean().nullish(), flow: z.int().nullish() })
  .transform((value) => ({
    ...common(value),
    headRef: value.head.ref,
    headSha: value.head.sha,
    baseRef: value.base.ref,
    draft: value.draft === true,
    /** Its commits were pushed by somebody who needs no write access: another or vanished repository, or AGit. */
    fromOutside:
      value.head.repo?.id === undefined || value.head.repo.id !== value.base.repo?.id || value.flow === AGIT_FLOW,
  }));

const comment = z
  .object({ id, body: textOrEmpty, user: login, html_url: textOrEmpty })
  .transform((value) => ({ id: value.id, body: value.body, author: value.user, url: value.html_url }));

const release = z
  .object({
    id,
    tag_name: text,
    name: textOrEmpty,
    body: textOrEmpty,
    html_url: textOrEmpty,
    draft: z.boolean().nullish(),
  })
  .transform((value) => ({
    id: value.id,
    tagName: value.tag_name,
    name: value.name,
    body: value.body,
    url: value.html_url,
    draft: value.draft === true,
  }));

/** Who did what where; the same in nearly all bodies. */
export const headSchema = z.object({
  action: textOrNull.catch(null),
  repository: repository.nullish().catch(null),
  sender: login.catch(null),
});

export const issueEventSchema = z.object({ repository, issue });
export const pullRequestEventSchema = z.object({ repository, pull_request: pullRequest, requested_reviewer: login });
export const reviewEventSchema = z.object({
  repository,
  pull_request: pullRequest,
  review: z.object({ content: textOrEmpty }),
});
export const issueCommentSchema = z.object({ repository, issue, comment });
export const pullRequestCommentSchema = z.object({ repository, pull_request: pullRequest, comment });
export const pushEventSchema = z.object({
  repository,
  ref: text,
  before: text,
  after: text,
  compare_url: textOrEmpty,
});
export const releaseEventSchema = z.object({ repository, release });
/** A run of Forgejo Actions names repository and sender within `run` only. */
export const runEventSchema = z.object({ run: z.object({ repository, trigger_user: login }) });

export type Repository = z.output<typeof repository>;
export type Comment = z.output<typeof comment>;
export type Release = z.output<typeof release>;
export type IssueFacts = ReturnType<typeof common>;
export type PullRequestFacts = z.output<typeof pullRequest>;
