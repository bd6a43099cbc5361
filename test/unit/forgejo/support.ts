import { NO_SECRETS } from '../../../src/domain/secrets.ts';
import { type Forge, forgeSchema, ruleSchema, templateSchema } from '../../../src/forgejo/config-schema.ts';
import { compileSettings, type ForgejoSettings } from '../../../src/forgejo/configuration.ts';
import { decide, type Verdict } from '../../../src/forgejo/decide.ts';
import { type ParsedDelivery, parseDelivery } from '../../../src/forgejo/events.ts';
import { comparedIssue, type IssueState, type Observation, observe } from '../../../src/forgejo/issue-state.ts';
import {
  bodyOf,
  deliveryHeaders,
  RECORDED_FORGE_URL,
  RECORDED_SECRET,
  type Recording,
} from '../../support/recordings.ts';

export const forge = (changes: Record<string, unknown> = {}): Forge =>
  forgeSchema.parse({
    name: 'main',
    url: RECORDED_FORGE_URL,
    webhook_secrets: [RECORDED_SECRET],
    trusted_senders: ['carol'],
    bot: 'taskejo-bot',
    ...changes,
  });

const TEMPLATES = [
  { name: 'claude', command: ['claude', '-p'], input: '{{ issue.title }}|{{ words }}|{{ comment.body }}' },
  { name: 'fix', command: ['make', 'fix'], requires: ['linux'], priority: 'high' },
];

export function settings(file: { templates?: unknown[]; rules?: unknown[] } = {}): ForgejoSettings {
  const { settings: compiled, problems } = compileSettings({
    forges: [forge()],
    templates: (file.templates ?? TEMPLATES).map((template) => templateSchema.parse(template)),
    rules: file.rules?.map((rule) => ruleSchema.parse(rule)),
  });
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return compiled;
}

export const parsed = (recording: Recording): ParsedDelivery =>
  parseDelivery({ headers: deliveryHeaders(recording.headers), body: bodyOf(recording) });

/** A delivery of our own making, for what was never recorded. */
export const made = (eventType: string, body: unknown): ParsedDelivery =>
  parseDelivery({
    headers: { 'x-forgejo-event-type': eventType },
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body), 'utf8'),
  });

/** The body of a recording with something else in it. */
export function altered(recording: Recording, change: (body: Record<string, unknown>) => void): Recording {
  const body = JSON.parse(recording.body) as Record<string, unknown>;
  change(body);
  return { ...recording, body: JSON.stringify(body) };
}

export type Ledger = {
  decide(recording: Recording): Verdict & { observation: Observation | null };
  stateOf(issue: number): IssueState | undefined;
};

/** Decides one delivery after the other, remembering the labels of each issue between them. */
export function ledger(
  options: { forge?: Forge; settings?: ForgejoSettings; before?: readonly [issue: number, state: IssueState][] } = {},
): Ledger {
  const states = new Map<number, IssueState>(options.before ?? []);
  const asked = options.forge ?? forge();
  const { templates, rules } = options.settings ?? settings();
  return {
    decide(recording) {
      const delivery = parsed(recording);
      const issue = comparedIssue(delivery, asked)?.number ?? null;
      const observation = issue === null ? null : observe(delivery, states.get(issue) ?? null);
      if (issue !== null && observation?.next) states.set(issue, observation.next);
      return {
        ...decide({ forge: asked, parsed: delivery, observation, templates, rules, secrets: NO_SECRETS }),
        observation,
      };
    },
    stateOf: (issue) => states.get(issue),
  };
}
