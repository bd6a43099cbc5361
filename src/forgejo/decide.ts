import type { RuleVerdict } from '../domain/delivery.ts';
import { refusedSecret, type Secrets } from '../domain/secrets.ts';
import type { Forge, Rule } from './config-schema.ts';
import type { ParsedDelivery } from './events.ts';
import type { Observation } from './issue-state.ts';
import { type EffectTarget, matchRule, placeOf, type RuleMatch, ruleName } from './rules.ts';
import { isOwnLogin, liesUnder, maySend, sameLogin } from './senders.ts';
import { draftTask, type TaskDraft } from './task-draft.ts';
import { type CompiledTemplate, chooseTemplate, TemplateError } from './templates.ts';

/** Together with the forge's name the key under which a thing happens at most once. */
export type Effect = EffectTarget & { template: string };

/** A task to make, unless its effect is there already. */
export type Candidate = { rule: string; effect: Effect; task: TaskDraft };

/** `reason` is a code, a colon and a sentence. A delivery that is ignored has no candidates. */
export type Verdict = {
  decision: 'candidates' | 'ignored';
  reason: string;
  candidates: readonly Candidate[];
  rules: readonly RuleVerdict[];
};

export type Question = {
  forge: Forge;
  parsed: ParsedDelivery;
  /** What `observe` found, of deliveries that are compared with the stored labels. */
  observation: Observation | null;
  templates: readonly CompiledTemplate[];
  rules: readonly Rule[];
  secrets: Secrets;
};

/** What follows from a delivery. Pure: the same question has the same answer, so a replay decides alike. */
export function decide(question: Question): Verdict {
  const outright = ignoredOutright(question);
  if (outright !== null) return ignored(outright, []);
  const answers = question.rules.map((rule, at) => answer(rule, at, question));
  const seen = new Set<string>();
  const candidates: Candidate[] = [];
  const rules = answers.map((one): RuleVerdict => {
    if (one.candidate === null) return one.verdict;
    const key = JSON.stringify(one.candidate.effect);
    if (seen.has(key)) return { ...one.verdict, matched: false, reason: 'same_effect: a rule before makes this task' };
    seen.add(key);
    candidates.push(one.candidate);
    return one.verdict;
  });
  const [first] = candidates;
  if (first === undefined) return ignored(nearestReason(answers, question), rules);
  const reason = rules.find((verdict) => verdict.matched)?.reason ?? '';
  return { decision: 'candidates', reason, candidates, rules };
}

const ignored = (reason: string, rules: readonly RuleVerdict[]): Verdict => ({
  decision: 'ignored',
  reason,
  candidates: [],
  rules,
});

/** Reasons that hold whatever the rules are. */
function ignoredOutright({ forge, parsed, rules }: Question): string | null {
  const { object, repository, sender } = parsed;
  if (parsed.malformed !== null) return `malformed: ${parsed.malformed}`;
  if (repository !== null && !liesUnder(repository.url, forge))
    return `wrong_forge: ${repository.url} does not lie under ${forge.url}, the address of ${forge.name}`;
  if (object.kind === 'push' && object.test) return 'test_delivery: the test arrived, its signature is right';
  if (sender !== null && isOwnLogin(sender, forge) && !rules.some((rule) => namesSender(rule, sender)))
    return `own_event: ${sender} did this, and what the bot or Forgejo's Actions do starts nothing`;
  return null;
}

const namesSender = (rule: Rule, sender: string): boolean => rule.sender !== null && sameLogin(rule.sender, sender);

type Answer = { verdict: RuleVerdict; candidate: Candidate | null; close: 0 | 1 | 2 | 3 };

function answer(rule: Rule, at: number, question: Question): Answer {
  const name = ruleName(rule, at);
  const refused = (reason: string, close: Answer['close']): Answer => ({
    verdict: { rule: name, matched: false, reason },
    candidate: null,
    close,
  });
  const { forge, parsed, templates } = question;
  const { sender } = parsed;
  if (sender !== null && isOwnLogin(sender, forge) && !namesSender(rule, sender))
    return refused(`own_event: the rule does not name ${sender}`, 1);
  const found = matchRule(rule, { ...question, templateNames: templates.map((template) => template.name) });
  if (!found.matched) return refused(found.reason, found.close);
  const objection = notAllowed(question);
  if (objection !== null) return refused(objection, 3);
  const made = candidateOf(name, found, question);
  return typeof made === 'string'
    ? refused(made, 3)
    : { verdict: { rule: name, matched: true, reason: found.reason }, candidate: made, close: 3 };
}

/** Whether who asked may ask; and what came from outside the repository is not run unseen. */
function notAllowed({ forge, parsed }: Question): string | null {
  const { object, repository, sender } = parsed;
  if (repository === null) return 'no_rule: the event belongs to no repository';
  if (sender === null || !maySend(sender, repository, forge)) {
    const who = sender ?? 'an unnamed sender';
    return `sender_not_allowed: ${who} is neither the owner of ${repository.fullName} nor in trusted_senders of ${forge.name}`;
  }
  if (object.kind === 'pull_request' && object.fromOutside)
    return `approval_needed: the commits of ${placeOf(parsed)} come from outside ${repository.fullName} and are not run without an approval`;
  return null;
}

function candidateOf(
  rule: string,
  found: RuleMatch,
  { forge, parsed, templates, secrets }: Question,
): Candidate | string {
  const template = chooseTemplate(templates, found.template);
  if (template === null) return `no_template: there is no template ${found.template ?? 'in the configuration'}`;
  try {
    const task = draftTask(forge, parsed, template, found.words);
    if (task === null) return 'no_rule: the event is about nothing that a task can be made of';
    const refused = refusedSecret(secrets, task);
    if (refused !== null) return `secret_refused: ${refused.reason}`;
    return { rule, effect: { ...found.target, template: template.name }, task };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return `template_failed: ${template.name}: ${error.path.join('.')}: ${error.message}`;
  }
}

function nearestReason(answers: readonly Answer[], { parsed }: Question): string {
  const nearest = answers.reduce<Answer | null>((best, one) => (one.close > (best?.close ?? 0) ? one : best), null);
  if (nearest !== null) return nearest.verdict.reason;
  const event = [parsed.eventType || 'an event without a name', parsed.action ?? ''].join(' ').trim();
  return `no_rule: no rule is for ${event}`;
}
