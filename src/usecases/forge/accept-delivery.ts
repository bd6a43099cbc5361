import { createHash, randomUUIDv7 } from 'node:crypto';
import type { Transaction } from 'kysely';
import type { Decision } from '../../domain/delivery.ts';
import type { Settings } from '../../domain/settings.ts';
import type { NewTask } from '../../domain/task.ts';
import type { Forge, Rule } from '../../forgejo/config-schema.ts';
import { type Candidate, decide, type Verdict } from '../../forgejo/decide.ts';
import { type ParsedDelivery, parseDelivery } from '../../forgejo/events.ts';
import { storableHeaders } from '../../forgejo/headers.ts';
import { comparedIssue, type Observation, observe } from '../../forgejo/issue-state.ts';
import type { CompiledTemplate } from '../../forgejo/templates.ts';
import {
  claimEffect,
  findFirstDelivery,
  insertDuplicate,
  insertFirstDelivery,
  insertIssue,
  lockIssue,
  type NewDelivery,
  updateIssue,
  writeDecision,
} from '../../store/intake.ts';
import { laneOf } from '../../store/lanes.ts';
import type { Database } from '../../store/schema.ts';
import { inOrder, transact } from '../../store/transact.ts';
import { laneKeyOf } from '../create/create-task.ts';
import { insertNewTasks, plan } from '../create/insert-tasks.ts';
import { taskFrom } from '../create/task-request.ts';
import { whyUnmakeable } from '../create/why-unmakeable.ts';
import type { Deps } from '../deps.ts';

type Trx = Transaction<Database>;

export type IntakeConfig = {
  forge: Forge;
  templates: readonly CompiledTemplate[];
  rules: readonly Rule[];
};
export type Accepted = { deliveryId: string; decision: Decision; reason: string; taskIds: string[] };

/**
 * Stores a delivery whose signature was right, decides on it and makes its tasks, all in one transaction: what is
 * answered has happened, and what has happened is not done twice. The delivery's bytes decide between equal
 * deliveries, the effect's key between different ones that mean the same. Nothing here asks the network.
 */
export async function acceptDelivery(
  deps: Deps,
  config: IntakeConfig,
  received: { headers: Readonly<Record<string, string>>; body: Uint8Array },
): Promise<Accepted> {
  const parsed = parseDelivery(received);
  const delivery = toStore(config.forge, parsed, received);
  const accepted = await transact(deps.hot, async (trx, oneMore) => {
    if (!(await insertFirstDelivery(trx, delivery))) return merge(trx, delivery);
    const observation = await compare(trx, config.forge, parsed);
    const verdict = decide({ ...config, secrets: deps.secrets, parsed, observation });
    return carryOut({ trx, oneMore }, deps, config.forge, delivery, verdict, observation);
  });
  if (accepted.decision === 'task_created') {
    deps.wakeups.emit({ kind: 'ready' }, ...accepted.taskIds.map((taskId) => ({ kind: 'task', taskId }) as const));
  }
  return accepted;
}

const toStore = (
  forge: Forge,
  parsed: ParsedDelivery,
  { headers, body }: { headers: Readonly<Record<string, string>>; body: Uint8Array },
): NewDelivery => ({
  id: randomUUIDv7(),
  forge: forge.name,
  forgeUuid: parsed.forgeUuid,
  eventType: parsed.eventType,
  action: parsed.action,
  repository: parsed.repository?.fullName ?? null,
  sender: parsed.sender,
  headers: storableHeaders(headers),
  body,
  bodyHash: createHash('sha256').update(body).digest(),
});

/** The same bytes came before: by a second webhook, or because somebody pressed Replay. */
async function merge(trx: Trx, delivery: NewDelivery): Promise<Accepted> {
  const first = await findFirstDelivery(trx, delivery.forge, delivery.bodyHash);
  const reason = `duplicate: the same bytes came with delivery ${first.id}`;
  await insertDuplicate(trx, delivery, first, reason);
  return { deliveryId: delivery.id, decision: 'merged', reason, taskIds: first.task_ids };
}

/** What became present, by comparing with what was known; the row's lock lines up decisions on one issue. */
async function compare(trx: Trx, forge: Forge, parsed: ParsedDelivery): Promise<Observation | null> {
  const issue = comparedIssue(parsed, forge);
  if (issue === null) return null;
  const key = { forge: forge.name, repositoryId: issue.repositoryId, issue: issue.number };
  const first = observe(parsed, null);
  if (first?.next && (await insertIssue(trx, key, first.next))) return first;
  const observation = observe(parsed, await lockIssue(trx, key));
  if (observation?.next) await updateIssue(trx, key, observation.next);
  return observation;
}

async function carryOut(
  { trx, oneMore }: { trx: Trx; oneMore: () => void },
  deps: Deps,
  forge: Forge,
  delivery: NewDelivery,
  verdict: Verdict,
  observation: Observation | null,
): Promise<Accepted> {
  const made: string[] = [];
  const found: string[] = [];
  const failed: string[] = [];
  for (const candidate of verdict.candidates) {
    const why = await whyUnmakeable(trx, deps, candidate.task);
    if (why !== null) {
      failed.push(why);
      continue;
    }
    const taskId = await makeTask(trx, deps, forge, delivery, candidate);
    (taskId.fresh ? made : found).push(taskId.id);
  }
  const [reason = verdict.reason] = failed;
  const outcome = outcomeOf({ ...verdict, reason: made.length > 0 ? verdict.reason : reason }, made, found);
  const facts = { newly_present: observation?.newlyPresent ?? [], stale: observation?.stale ?? false };
  oneMore();
  await writeDecision(trx, delivery.id, { ...outcome, rules: verdict.rules, facts });
  return { deliveryId: delivery.id, ...outcome };
}

function outcomeOf(
  verdict: Verdict,
  made: string[],
  found: string[],
): { decision: Decision; reason: string; taskIds: string[] } {
  if (made.length > 0) return { decision: 'task_created', reason: verdict.reason, taskIds: [...made, ...found] };
  if (found.length > 0) {
    return { decision: 'merged', reason: 'same_effect: the task for this was made before', taskIds: found };
  }
  return { decision: 'ignored', reason: verdict.reason, taskIds: [] };
}

async function makeTask(
  trx: Trx,
  deps: Deps,
  forge: Forge,
  delivery: NewDelivery,
  { effect, task: draft }: Candidate,
): Promise<{ id: string; fresh: boolean }> {
  const id = randomUUIDv7();
  const task = fromDraft(deps.settings, forge, delivery, draft);
  const [owner, lane] = await inOrder(
    claimEffect(trx, { forge: forge.name, ...effect }, id),
    laneOf(trx, laneKeyOf(task)),
  );
  if (owner !== id) return { id: owner, fresh: false };
  await insertNewTasks(trx, deps, [plan({ ...task, id }, { kind: 'forge', id: forge.name }, lane)]);
  return { id, fresh: true };
}

/** A draft with the server's defaults where its template leaves a setting open. */
const fromDraft = (settings: Settings, forge: Forge, delivery: NewDelivery, draft: Candidate['task']): NewTask => {
  const { title, body, repository, source } = draft;
  const creator = { kind: 'forge', id: forge.name, name: delivery.sender ?? forge.name } as const;
  return { ...taskFrom(settings, draft, { title, body, repository }, creator), source, deliveryId: delivery.id };
};
