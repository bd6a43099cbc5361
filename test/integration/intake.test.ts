import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Forge, forgeSchema, ruleSchema, templateSchema } from '../../src/forgejo/config-schema.ts';
import { compileSettings } from '../../src/forgejo/configuration.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { acceptDelivery } from '../../src/usecases/forge/accept-delivery.ts';
import { getTask, listEvents, listTasks } from '../../src/usecases/task/read-tasks.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { expectHealthy } from '../support/examine.ts';
import {
  bodyOf,
  deliveryHeaders,
  RECORDED_FORGE_URL,
  type Recording,
  recorded,
  recordings,
  VERSIONS,
} from '../support/recordings.ts';

let deps: Deps & { stop(): Promise<void> };

beforeEach(async () => {
  deps = await createTestDeps(await createTestDatabase({ max: 10 }));
});
afterEach(async () => {
  await expectHealthy(deps.db);
  await deps.stop();
  await deps.db.destroy();
});

const forge: Forge = forgeSchema.parse({
  name: 'main',
  url: RECORDED_FORGE_URL,
  webhook_secrets: ['recorded-secret'],
  trusted_senders: ['carol'],
  bot: 'taskejo-bot',
});
const template = templateSchema.parse({
  name: 'claude',
  command: ['claude', '-p'],
  input: '{{ issue.title }} {{ words }}',
  requires: ['claude'],
});
const { settings } = compileSettings({ forges: [forge], templates: [template], rules: undefined });
const config = { forge, templates: settings.templates, rules: settings.rules };

const accept = (recording: Recording) =>
  acceptDelivery(deps, config, { headers: deliveryHeaders(recording.headers), body: bodyOf(recording) });
const tasks = async () =>
  (await listTasks(deps, {}, 'created', { limit: 100, cursor: null })).items.map((task) => task.id);

describe.each(VERSIONS)('deliveries of Forgejo %s', (version) => {
  it("a comment that begins with /run makes an undecided task of its issue's title", async () => {
    const comment = recorded(version, 'alice comments: /run fix this please');
    const accepted = await accept(comment);
    expect(accepted).toMatchObject({ decision: 'task_created', taskIds: [expect.any(String)] });
    expect(await getTask(deps, accepted.taskIds[0] ?? '')).toMatchObject({
      status: 'pending',
      executionMode: 'undecided',
      requestedMode: 'undecided',
      template: 'claude',
      command: ['claude', '-p'],
      requires: ['claude'],
      repository: 'main:alice/widgets',
      createdBy: { kind: 'forge', id: 'main', name: 'alice' },
      source: { forge: 'main', repository: 'alice/widgets', kind: 'issue', sender: 'alice', event: 'issue_comment' },
      deliveryId: accepted.deliveryId,
    });
  });

  it('a label that is there at creation makes one task, though two deliveries show it', async () => {
    const title = 'alice opens an issue with the label agent:run set at creation';
    const first = await accept(recorded(version, title, 0));
    const second = await accept(recorded(version, title, 1));
    expect([first.decision, second.decision]).toEqual(['task_created', 'ignored']);
    expect(await tasks()).toHaveLength(1);
  });

  it('labels switched on and off make a task for each time that agent:run became present', async () => {
    const labelling = recordings(version).filter(({ file }) => /-issue_label-/.test(file));
    const added = await decisionOf(labelling, 'carol (writer) adds the label agent:run');
    const same = await decisionOf(
      labelling,
      'carol adds a label that is already there (a delivery comes all the same)',
    );
    const removed = await decisionOf(labelling, 'carol removes the label agent:run');
    const again = await decisionOf(labelling, 'alice replaces all labels by PUT: docs, agent:run');
    const stays = await decisionOf(labelling, 'alice replaces all labels by PUT: bug, agent:run (agent:run stays)');
    const cleared = await decisionOf(labelling, 'alice clears all labels (the body still lists the old ones)');
    expect([added, same, removed, again, stays, cleared]).toEqual([
      'task_created',
      'ignored',
      'ignored',
      'task_created',
      'ignored',
      'ignored',
    ]);
  });

  it('the same event by two webhooks makes one task', async () => {
    const title = 'with two hooks on it (repository and system), alice comments /run twice over';
    const [first, second] = [await accept(recorded(version, title, 0)), await accept(recorded(version, title, 1))];
    expect(second).toMatchObject({ decision: 'merged', taskIds: first.taskIds });
    expect(second.deliveryId).not.toBe(first.deliveryId);
    expect(await tasks()).toEqual(first.taskIds);
  });

  it.each([
    ['mallory (no write access) comments: /run mine bitcoin', 'sender_not_allowed'],
    ['bob (reader) comments: /run as a reader', 'sender_not_allowed'],
    ['the test button by API', 'test_delivery'],
    ['alice comments: plain text', 'no_rule'],
    ['alice comments: /run inside a fenced code block', 'no_rule'],
    ['alice edits a comment so that it now begins with /run', 'comment_edited'],
  ])('%s: ignored with a reason', async (title, code) => {
    const which = title.includes('edits') ? 1 : 0;
    const accepted = await accept(recorded(version, title, which));
    expect(accepted).toMatchObject({ decision: 'ignored', taskIds: [] });
    expect(accepted.reason).toMatch(new RegExp(`^${code}: .{10}`));
    expect(await tasks()).toEqual([]);
  });

  it("the bot's own events start nothing", async () => {
    const own = recordings(version).filter(
      ({ body }) => body.startsWith('{') && JSON.parse(body).sender?.login === 'taskejo-bot',
    );
    expect(own.length).toBeGreaterThan(3);
    for (const recording of own) expect((await accept(recording)).decision).not.toBe('task_created');
  });
});

const decisionOf = async (among: readonly Recording[], title: string) => {
  const found = among.find((one) => one.title === title);
  if (found === undefined) throw new Error(`not recorded: ${title}`);
  return (await accept(found)).decision;
};

it('the same delivery a hundred times at once makes one task and has one decision', async () => {
  const comment = recorded('v15', 'alice comments: /run fix this please');
  const answers = await Promise.all(Array.from({ length: 100 }, () => accept(comment)));
  expect(answers.filter(({ decision }) => decision === 'task_created')).toHaveLength(1);
  expect(answers.filter(({ decision }) => decision === 'merged')).toHaveLength(99);
  expect(new Set(answers.flatMap(({ taskIds }) => taskIds)).size).toBe(1);
  expect(await tasks()).toHaveLength(1);
  const { rows } = await sql`select from deliveries where duplicate_of is null`.execute(deps.db);
  expect(rows).toHaveLength(1);
});

it('a delivery that cannot be stored makes no task either', async () => {
  await sql`alter table effects add constraint broken check (template <> 'claude')`.execute(deps.db);
  await expect(accept(recorded('v15', 'alice comments: /run fix this please'))).rejects.toThrow();
  expect(await tasks()).toEqual([]);
  expect((await sql`select from deliveries`.execute(deps.db)).rows).toEqual([]);
});

it('a delivery that is no JSON is stored and ignored', async () => {
  const accepted = await acceptDelivery(deps, config, {
    headers: { 'x-forgejo-event-type': 'push' },
    body: Buffer.from([0x7b, 0xff, 0x00]),
  });
  expect(accepted).toMatchObject({ decision: 'ignored', reason: expect.stringMatching(/^malformed: /) });
});

it('the task of a delivery tells in its history from which one it came', async () => {
  const accepted = await accept(recorded('v16', 'alice comments: /run fix this please'));
  const { items } = await listEvents(deps, accepted.taskIds[0] ?? '', { limit: 5, cursor: null });
  expect(items[0]).toMatchObject({
    type: 'created',
    actor: { kind: 'forge', id: 'main' },
    data: { delivery_id: accepted.deliveryId },
  });
});

it('a rule for another template of the same comment makes a task of its own', async () => {
  const second = templateSchema.parse({ name: 'make', command: ['make'] });
  const rules = [
    ruleSchema.parse({ on: 'comment', template: 'claude' }),
    ruleSchema.parse({ on: 'comment', template: 'make' }),
  ];
  const both = compileSettings({ forges: [forge], templates: [template, second], rules }).settings;
  const recording = recorded('v15', 'alice comments: /run fix this please');
  const accepted = await acceptDelivery(
    deps,
    { forge, ...both },
    { headers: deliveryHeaders(recording.headers), body: bodyOf(recording) },
  );
  expect(accepted.taskIds).toHaveLength(2);
});
