import { parseCommand, parseRun } from './commands.ts';
import type { Forge, Rule } from './config-schema.ts';
import type { ForgeObject, ParsedDelivery } from './events.ts';
import type { Observation } from './issue-state.ts';
import { matchesRepository, sameLogin } from './senders.ts';

/** What makes a thing happen once: a comment by its id, a label by how often it has become present on its issue. */
export type EffectTarget = { kind: 'comment' | 'label'; object: string };

export type RuleMatch = {
  matched: true;
  reason: string;
  target: EffectTarget;
  /** As the comment names it, else as the rule does; null: the default template. */
  template: string | null;
  words: string | null;
};
/** `close`: how near the delivery came to the rule; the reason of the nearest is the one that is told. */
export type RuleMiss = { matched: false; reason: string; close: 0 | 1 | 2 };

export type RuleQuestion = {
  forge: Forge;
  parsed: ParsedDelivery;
  observation: Observation | null;
  templateNames: readonly string[];
};

/** Whether a delivery fulfils a rule, and in one sentence why or why not. */
export function matchRule(rule: Rule, question: RuleQuestion): RuleMatch | RuleMiss {
  const found = rule.on === 'comment' ? matchComment(rule, question) : matchLabel(rule, question);
  const unmet = found.matched ? unmetCondition(rule, question) : null;
  return unmet === null ? found : miss(1, `no_rule: ${unmet}`);
}

const miss = (close: RuleMiss['close'], reason: string): RuleMiss => ({ matched: false, reason, close });

function unmetCondition(rule: Rule, { forge, parsed }: RuleQuestion): string | null {
  const fullName = parsed.repository?.fullName ?? '';
  if (rule.forge !== null && rule.forge !== forge.name) return `the rule is for the forge ${rule.forge}`;
  if (rule.repository !== null && !matchesRepository(rule.repository, forge.name, fullName))
    return `the rule is for the repository ${rule.repository}`;
  if (rule.sender !== null && !sameLogin(rule.sender, parsed.sender ?? ''))
    return `the rule is for what ${rule.sender} does`;
  return null;
}

type CommentRule = Extract<Rule, { on: 'comment' }>;
function matchComment(rule: CommentRule, { parsed, templateNames }: RuleQuestion): RuleMatch | RuleMiss {
  const { comment, review, action } = parsed;
  const wanted = `/${rule.command}`;
  const command = parseCommand(comment?.body ?? review?.content ?? '');
  const asks = command?.name === rule.command;
  if (review !== null && asks)
    return miss(2, `review_text: ${wanted} in the text of a review starts nothing; write it as a comment`);
  if (comment === null) return miss(0, `no_rule: the rule is for comments`);
  if (command === null) return miss(1, `no_rule: the comment doesn't begin with ${wanted}`);
  if (!asks) return miss(1, `no_rule: the comment begins with /${command.name}, the rule is for ${wanted}`);
  if (action !== 'created')
    return miss(2, `comment_${action ?? 'changed'}: only a new comment starts something; write ${wanted} in a new one`);
  const run = parseRun(command.rest, templateNames);
  return {
    matched: true,
    reason: `command: ${parsed.sender} wrote ${wanted} in a comment on ${placeOf(parsed)}`,
    target: { kind: 'comment', object: String(comment.id) },
    template: run.template ?? rule.template,
    words: run.words,
  };
}

type LabelRule = Extract<Rule, { on: 'issue_label' }>;
function matchLabel(rule: LabelRule, { parsed, observation }: RuleQuestion): RuleMatch | RuleMiss {
  const { object, repository } = parsed;
  if (observation === null || repository === null || !isLabelled(object))
    return miss(0, `no_rule: the rule is for labels that become present`);
  const place = placeOf(parsed);
  if (!observation.newlyPresent.includes(rule.label)) return labelMiss(rule.label, object.labels, observation, place);
  const episode = observation.next?.episodes[rule.label] ?? 1;
  return {
    matched: true,
    reason: `label_present: ${rule.label} is now on ${place}`,
    target: { kind: 'label', object: `${repository.id}/${object.number}/${episode}/${rule.label}` },
    template: rule.template,
    words: null,
  };
}

function labelMiss(label: string, labels: readonly string[], observation: Observation, place: string): RuleMiss {
  if (observation.stale) return miss(2, `stale: the labels of ${place} are known from a newer delivery`);
  return labels.includes(label)
    ? miss(2, `label_already_present: ${label} was on ${place} before`)
    : miss(1, `no_rule: ${label} is not on ${place}`);
}

type Labelled = Extract<ForgeObject, { kind: 'issue' | 'pull_request' }>;
const isLabelled = (object: ForgeObject): object is Labelled =>
  object.kind === 'issue' || object.kind === 'pull_request';

/** Where something happened, as people write it: `alice/widgets#12`. */
export function placeOf(parsed: ParsedDelivery): string {
  const name = parsed.repository?.fullName ?? 'no repository';
  return isLabelled(parsed.object) ? `${name}#${parsed.object.number}` : name;
}

/** How a rule is called in the ledger of deliveries: where it stands in the file and what it is for. */
export const ruleName = (rule: Rule, at: number): string =>
  `${at + 1}. ${rule.on} ${rule.on === 'comment' ? `/${rule.command}` : rule.label}`;
