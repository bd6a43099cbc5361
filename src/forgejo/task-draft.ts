import type { TaskSource } from '../domain/task.ts';
import type { Forge } from './config-schema.ts';
import type { ParsedDelivery } from './events.ts';
import { liesUnder } from './senders.ts';
import { eventContext, refOf } from './template-context.ts';
import { type CompiledTemplate, type RenderedTemplate, renderTemplate } from './templates.ts';
import { cutBytes, cutCharacters } from './text.ts';

const MAX_TITLE = 500;
const MAX_BODY_BYTES = 1024 * 1024;

/** What a delivery makes: everything of a new task that comes from the forge and the template. */
export type TaskDraft = Omit<RenderedTemplate, 'body' | 'repository'> & {
  title: string;
  body: string | null;
  source: TaskSource;
  /** `forge:owner/name`. */
  repository: string;
};

/**
 * The task that a delivery on an issue, pull request, push or release makes with this template, titled as its object;
 * null when the delivery is about nothing of the kind. Throws a TemplateError when the template can't be filled in.
 */
export function draftTask(
  forge: Forge,
  parsed: ParsedDelivery,
  template: CompiledTemplate,
  words: string | null,
): TaskDraft | null {
  const { object, repository } = parsed;
  if (object.kind === 'other' || repository === null) return null;
  const body = 'body' in object && object.body !== '' ? cutBytes(object.body, MAX_BODY_BYTES) : null;
  return {
    ...renderTemplate(template, eventContext(parsed, words), {}),
    title: titleOf(parsed),
    body,
    source: {
      forge: forge.name,
      repository: repository.fullName,
      kind: object.kind,
      number: 'number' in object ? object.number : null,
      event: parsed.eventType,
      sender: parsed.sender ?? '',
      url: urlOf(parsed, forge),
      ...refOf(parsed),
    },
    repository: `${forge.name}:${repository.fullName}`,
  };
}

function titleOf(parsed: ParsedDelivery): string {
  const { object, repository } = parsed;
  const name = repository?.fullName ?? '';
  if (object.kind === 'push') return cutCharacters(`push to ${object.ref}`, MAX_TITLE);
  if (object.kind === 'release') return cutCharacters(object.name.trim() || object.tagName, MAX_TITLE);
  if (object.kind === 'other') return name;
  return cutCharacters(object.title.trim(), MAX_TITLE) || `${name}#${object.number}`;
}

/** The comment's page, else the object's; an address elsewhere is dropped, for it will be shown as a link. */
function urlOf(parsed: ParsedDelivery, forge: Forge): string | null {
  const { object, comment } = parsed;
  const candidates = [comment?.url ?? '', 'url' in object ? object.url : ''];
  return candidates.find((url) => url !== '' && liesUnder(url, forge)) ?? null;
}
