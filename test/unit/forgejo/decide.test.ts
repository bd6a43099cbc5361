import { describe, expect, test } from 'vitest';
import { forgeSchema } from '../../../src/forgejo/config-schema.ts';
import { draftTask } from '../../../src/forgejo/task-draft.ts';
import { type Recording, recorded, recordings, VERSIONS } from '../../support/recordings.ts';
import { altered, forge, ledger, parsed, settings } from './support.ts';

const once = (recording: Recording, options: Parameters<typeof ledger>[0] = {}) => ledger(options).decide(recording);
const RUN = 'alice comments: /run fix this please';
const run = recorded('v15', RUN);

describe.each(VERSIONS)('what the recorded deliveries of %s become', (version) => {
  const reasonOf = (title: string, which: number | string = 0) => once(recorded(version, title, which)).reason;

  test.each([
    [RUN, 'fix', 'this please'],
    ['alice comments: a quote, then a real /run after it', 'fix', 'it now'],
    ['alice comments: with CRLF line ends', 'claude', 'with crlf'],
    ['alice comments: blank lines and spaces before /run', 'claude', 'after blanks'],
    ['alice comments on the pull request: /run on a pull request', 'claude', 'on a pull request'],
  ])('%s: a task of the template %s', (title, template, words) => {
    const verdict = once(recorded(version, title));
    expect(verdict.decision).toBe('candidates');
    expect(verdict.reason).toMatch(/^command: alice wrote \/run in a comment on alice\/widgets#\d+$/);
    expect(verdict.candidates).toHaveLength(1);
    expect(verdict.candidates[0]?.effect).toMatchObject({ kind: 'comment', template });
    if (template === 'claude') expect(verdict.candidates[0]?.task.input).toContain(`|${words}|`);
  });

  test.each([
    ['alice comments: plain text', 'no_rule'],
    ['alice comments: /run inside a fenced code block', 'no_rule'],
    ['alice comments: /run in an indented code block', 'no_rule'],
    ['alice comments: a quoted /run, then text', 'no_rule'],
    ['alice comments: @taskejo-bot please look', 'no_rule'],
    ['alice comments: several lines, /cancel on the first', 'no_rule'],
    ['alice comments: several lines, /cancel on the last', 'no_rule'],
    ['alice comments: /runner is not /run', 'no_rule'],
    ['alice comments: /RUN in capitals', 'no_rule'],
    ["alice comments: a hidden marker like the bot's own, then /run", 'no_rule'],
    ['mallory opens an issue whose body begins with /run and mentions the bot', 'no_rule'],
    ['alice opens a plain issue', 'no_rule'],
    ['alice publishes a generic package (system hook)', 'no_rule'],
    ['alice pushes one commit to main', 'no_rule'],
    ['alice deletes a comment', 'comment_deleted'],
    ['mallory (no write access) comments: /run mine bitcoin', 'sender_not_allowed'],
    ['bob (reader) comments: /run as a reader', 'sender_not_allowed'],
    ['root1 (site admin, no collaborator) comments: /run as site admin', 'sender_not_allowed'],
    ['mallory comments on the pull request: /run', 'sender_not_allowed'],
    ['the bot itself comments: /run again', 'own_event'],
    ['the bot comments with its hidden marker', 'own_event'],
    ['the bot adds agent:run itself', 'own_event'],
    ['the test button in the web page', 'test_delivery'],
    ['the test button by API', 'test_delivery'],
    ['carol reviews with a comment only', 'review_text'],
    ['a hook with content type form: alice comments', 'malformed'],
  ])('%s: ignored, %s', (title, code) => {
    if (version === 'v11' && title.includes('package')) return;
    const verdict = once(recorded(version, title));
    expect(verdict).toMatchObject({ decision: 'ignored', candidates: [] });
    expect(verdict.reason).toMatch(new RegExp(`^${code}: \\S.*$`));
  });

  test('a comment that is edited so that it begins with /run starts nothing', () => {
    expect(reasonOf('alice edits a comment so that it now begins with /run', 'issue_comment-edited')).toMatch(
      /^comment_edited: .*new/,
    );
    expect(reasonOf('alice edits a comment of mallory so that it reads /run')).toMatch(/^comment_edited: /);
  });

  test('a label set at creation starts one task, though two deliveries tell of it', () => {
    const decisions = ledger();
    const title = 'alice opens an issue with the label agent:run set at creation';
    const opened = decisions.decide(recorded(version, title, 'issues-opened'));
    expect(opened.reason).toBe('label_present: agent:run is now on alice/widgets#2');
    expect(opened.candidates[0]?.effect).toEqual({ kind: 'label', object: '1/2/1/agent:run', template: 'claude' });
    expect(decisions.decide(recorded(version, title, 'issue_label'))).toMatchObject({
      decision: 'ignored',
      reason: 'label_already_present: agent:run was on alice/widgets#2 before',
    });
  });

  test('a label that stays while others are cleared or replaced starts nothing, set again it does', () => {
    const decisions = ledger();
    const reasons = [
      'carol (writer) adds the label agent:run',
      'carol adds a second label, bug',
      'carol adds a label that is already there (a delivery comes all the same)',
      'carol removes the label agent:run',
      'alice replaces all labels by PUT: docs, agent:run',
      'alice replaces all labels by PUT: bug, agent:run (agent:run stays)',
      'alice clears all labels (the body still lists the old ones)',
    ].map((title) => decisions.decide(recorded(version, title)).reason.split(':')[0]);
    expect(reasons).toEqual([
      'label_present',
      'label_already_present',
      'label_already_present',
      'no_rule',
      'label_present',
      'label_already_present',
      'no_rule',
    ]);
  });

  test('the same event by two hooks has one effect', () => {
    const title = 'with two hooks on it (repository and system), alice comments /run twice over';
    const [first, second] = [0, 1].map((nth) => once(recorded(version, title, nth)).candidates);
    expect(first).toEqual(second);
    expect(first?.[0]?.effect.kind).toBe('comment');
    const decisions = ledger();
    const labelled = [0, 1].map((nth) =>
      decisions.decide(recorded(version, 'with two hooks on it, alice adds agent:run', nth)),
    );
    expect(labelled.map((verdict) => verdict.decision)).toEqual(['candidates', 'ignored']);
  });

  test('Replay has the effect of the first delivery', () => {
    const title = 'alice presses Replay on an old delivery of "/run fix this please"';
    expect(once(recorded(version, title)).candidates).toEqual(once(recorded(version, RUN)).candidates);
  });

  test('work from a fork is not run without an approval, even when the owner asks', () => {
    const verdict = once(recorded(version, 'alice labels the pull request from the fork agent:run'));
    expect(verdict).toMatchObject({ decision: 'ignored', candidates: [] });
    expect(verdict.reason).toMatch(/^approval_needed: .*alice\/widgets#10/);
  });

  test('every delivery has a decision with a code, a colon and a sentence', () => {
    const decisions = ledger();
    for (const one of recordings(version)) {
      const verdict = decisions.decide(one);
      expect(verdict.reason, one.file).toMatch(/^[a-z_]+: \S.*[^.]$/s);
      expect(verdict.decision).toBe(verdict.candidates.length > 0 ? 'candidates' : 'ignored');
      if (verdict.decision === 'candidates') expect(verdict.rules.some((rule) => rule.matched)).toBe(true);
    }
  });
});

describe('who may', () => {
  const mallory = recorded('v15', 'mallory (no write access) comments: /run mine bitcoin');
  const withSender = (login: string) =>
    altered(run, (body) => {
      (body.sender as { login: string }).login = login;
    });

  test('nobody but the owner may when no sender is trusted', () => {
    const nobody = forge({ trusted_senders: [] });
    expect(once(run, { forge: nobody }).decision).toBe('candidates');
    expect(once(withSender('carol'), { forge: nobody }).reason).toBe(
      'sender_not_allowed: carol is neither the owner of alice/widgets nor in trusted_senders of main',
    );
  });

  test.each([
    ['mallory', 'candidates'],
    ['MALLORY', 'candidates'],
    ['mallory@alice/widgets', 'candidates'],
    ['mallory@alice/other', 'ignored'],
    ['mallory@mallory/widgets', 'ignored'],
    ['mallor', 'ignored'],
  ])('trusted_senders [%s]: what mallory writes on alice/widgets is %s', (trusted, decision) => {
    expect(once(mallory, { forge: forge({ trusted_senders: [trusted] }) }).decision).toBe(decision);
  });

  test('logins have no case', () => {
    expect(once(withSender('Alice')).decision).toBe('candidates');
    expect(once(withSender('Taskejo-Bot')).reason).toMatch(/^own_event: /);
  });

  test('an author whose comment somebody else delivers does not count, the sender does', () => {
    const forged = altered(mallory, (body) => {
      const comment = body.comment as { user: { login: string } };
      comment.user.login = 'alice';
    });
    expect(once(forged).reason).toMatch(/^sender_not_allowed: mallory /);
  });

  test('a delivery without a sender is refused', () => {
    const unnamed = altered(run, (body) => {
      body.sender = null;
    });
    expect(once(unnamed).reason).toMatch(/^sender_not_allowed: an unnamed sender /);
  });

  test("Forgejo's Actions and the bot start nothing, trusted or not, unless a rule names them", () => {
    for (const login of ['forgejo-actions', 'taskejo-bot']) {
      const trusting = forge({ trusted_senders: [login] });
      expect(once(withSender(login), { forge: trusting }).reason).toMatch(/^own_event: /);
      const named = settings({ rules: [{ on: 'comment', sender: login }] });
      expect(once(withSender(login), { forge: trusting, settings: named }).decision).toBe('candidates');
      const beside = settings({ rules: [{ on: 'comment' }, { on: 'issue_label', label: 'x', sender: login }] });
      const both = once(withSender(login), { forge: trusting, settings: beside });
      expect(both.decision).toBe('ignored');
      expect(both.rules[0]?.reason).toMatch(/^own_event: /);
    }
  });

  test('without a bot in the configuration only the Actions user is left out', () => {
    const title = 'the bot itself comments: /run again';
    const botless = forge({ bot: undefined });
    expect(once(recorded('v15', title), { forge: botless }).reason).toMatch(/^sender_not_allowed: taskejo-bot /);
  });
});

describe('of which forge', () => {
  test.each([
    ['http://forge.example.org', true],
    ['http://forge.example.org/', true],
    ['http://FORGE.example.org:80', true],
    ['https://forge.example.org', false],
    ['http://forge.example.org:8080', false],
    ['http://forge.example.org.evil.test', false],
    ['http://forge.example', false],
    ['http://forge.example.org/alice', true],
    ['http://forge.example.org/ali', false],
    ['http://forge.example.org/git', false],
  ])('a forge at %s has sent it: %s', (url, is) => {
    const verdict = once(run, { forge: forgeSchema.parse({ name: 'main', url, webhook_secrets: ['x'] }) });
    if (is) expect(verdict.reason).not.toMatch(/^wrong_forge/);
    else
      expect(verdict.reason).toMatch(/^wrong_forge: http:\/\/forge\.example\.org\/alice\/widgets does not lie under /);
  });

  test('an address that is none, or only looks like ours, is of another forge', () => {
    for (const address of [
      '',
      'alice/widgets',
      'javascript:alert(1)',
      'http://forge.example.org@evil.test/alice/widgets',
    ]) {
      const odd = altered(run, (body) => {
        (body.repository as { html_url: string }).html_url = address;
      });
      expect(once(odd).reason).toMatch(/^wrong_forge: /);
    }
  });

  test('labels of another forge are not remembered', () => {
    const decisions = ledger({ forge: forge({ url: 'http://elsewhere.test' }) });
    decisions.decide(recorded('v15', 'carol (writer) adds the label agent:run'));
    expect(decisions.stateOf(1)).toBeUndefined();
  });
});

describe('rules', () => {
  const labelled = recorded('v15', 'carol (writer) adds the label agent:run');

  test('an empty list switches everything off', () => {
    const none = settings({ rules: [] });
    expect(once(run, { settings: none }).reason).toBe('no_rule: no rule is for issue_comment created');
    expect(once(labelled, { settings: none }).reason).toBe('no_rule: no rule is for issue_label label_updated');
  });

  test('rules replace the defaults', () => {
    const other = settings({ rules: [{ on: 'issue_label', label: 'bug', template: 'fix' }] });
    expect(once(labelled, { settings: other }).reason).toBe('no_rule: bug is not on alice/widgets#1');
    expect(once(run, { settings: other }).reason).toBe('no_rule: no rule is for issue_comment created');
  });

  test.each([
    [{ forge: 'main' }, true],
    [{ repository: 'alice/widgets' }, true],
    [{ repository: 'Alice/*' }, true],
    [{ repository: 'main:*/widgets' }, true],
    [{ sender: 'alice' }, true],
    [{ repository: 'other:alice/widgets' }, false],
    [{ repository: 'alice/other' }, false],
    [{ sender: 'carol' }, false],
  ])('the condition %j fits: %s', (conditions, fits) => {
    const verdict = once(run, { settings: settings({ rules: [{ on: 'comment', ...conditions }] }) });
    expect(verdict.decision).toBe(fits ? 'candidates' : 'ignored');
    if (!fits) expect(verdict.reason).toMatch(/^no_rule: the rule is for /);
  });

  test('the ledger says of each rule whether it matched and why', () => {
    expect(once(run).rules).toEqual([
      {
        rule: '1. issue_label agent:run',
        matched: false,
        reason: 'no_rule: the rule is for labels that become present',
      },
      { rule: '2. comment /run', matched: true, reason: 'command: alice wrote /run in a comment on alice/widgets#1' },
    ]);
  });

  test('several rules make several tasks of different templates, and one of the same', () => {
    const comment = recorded('v15', 'alice comments: with CRLF line ends');
    const rules = ['fix', 'claude', 'fix'].map((template) => ({ on: 'comment', template }));
    const verdict = once(comment, { settings: settings({ rules }) });
    expect(verdict.candidates.map((candidate) => candidate.effect.template)).toEqual(['fix', 'claude']);
    expect(verdict.rules[2]).toMatchObject({ matched: false, reason: expect.stringMatching(/^same_effect: /) });
  });

  test('the template is the one that the comment names, else the rule, else `default`, else the first', () => {
    const plain = recorded('v15', 'alice comments: with CRLF line ends');
    const template = (recording: Recording, names: string[], rule: Record<string, unknown> = {}) =>
      once(recording, {
        settings: settings({
          templates: names.map((name) => ({ name, command: ['true'] })),
          rules: [{ on: 'comment', ...rule }],
        }),
      }).candidates[0]?.task.template;
    expect(template(run, ['claude', 'fix'], { template: 'claude' })).toBe('fix');
    expect(template(plain, ['claude', 'fix'], { template: 'fix' })).toBe('fix');
    expect(template(plain, ['claude', 'default'])).toBe('default');
    expect(template(plain, ['claude', 'fix'])).toBe('claude');
  });

  test('without any template the reason says so', () => {
    expect(once(run, { settings: settings({ templates: [] }) }).reason).toMatch(/^no_template: /);
  });

  test('a template that cannot be filled in is a reason and no error', () => {
    const big = recordings('v15', 'deliveries-odd').find((one) => one.title === 'a comment of 1 MB');
    const doubled = settings({
      templates: [{ name: 'a', command: ['true'], input: '{{ comment.body }}{{ comment.body }}' }],
    });
    expect(big && once(big, { settings: doubled })).toMatchObject({
      decision: 'ignored',
      reason: 'template_failed: a: input: the text has more than 1048576 bytes',
    });
  });
});

describe('the task that a delivery makes', () => {
  const taskOf = (recording: Recording, file: Parameters<typeof settings>[0] = {}) =>
    once(recording, { settings: settings(file) }).candidates[0]?.task;

  test('has everything that the forge and the template say', () => {
    expect(taskOf(run)).toMatchObject({
      title: 'Flaky parser test',
      body: 'Fails often.',
      template: 'fix',
      command: ['make', 'fix'],
      input: null,
      environment: {},
      requires: ['linux'],
      priority: 5,
      timeoutSeconds: null,
      repeatable: null,
      preemptible: null,
      maxRetries: null,
      maxInfraRetries: null,
      retryDelaySeconds: null,
      executionMode: null,
      repository: 'main:alice/widgets',
      source: {
        forge: 'main',
        repository: 'alice/widgets',
        kind: 'issue',
        number: 1,
        event: 'issue_comment',
        sender: 'alice',
        url: 'http://forge.example.org/alice/widgets/issues/1#issuecomment-33',
        ref: null,
        sha: null,
      },
    });
  });

  test('of a pull request has its head', () => {
    expect(taskOf(recorded('v15', 'alice labels the pull request agent:run'))).toMatchObject({
      title: 'Fix the parser for good',
      source: {
        kind: 'pull_request',
        number: 9,
        event: 'pull_request_label',
        url: 'http://forge.example.org/alice/widgets/pulls/9',
        ref: 'fix-parser',
        sha: expect.stringMatching(/^[0-9a-f]{40}$/),
      },
    });
  });

  test('has a title of at most 500 characters, no half ones, and never none', () => {
    const titled = (title: string) =>
      taskOf(
        altered(run, (body) => {
          (body.issue as { title: string }).title = title;
        }),
      )?.title;
    expect(titled(`x${'🚀'.repeat(400)}`)).toBe(`x${'🚀'.repeat(249)}`);
    expect(titled('  ')).toBe('alice/widgets#1');
  });

  test.each([
    ['push', 'alice pushes a new branch named feat/$(id)', 'push to refs/heads/feat/$(id)', 'refs/heads/feat/$(id)'],
    ['release', 'alice publishes a release', 'One', 'refs/tags/v1.0.0'],
  ])('of a %s is titled by what it is about', (kind, title, expected, ref) => {
    const { templates } = settings();
    const task = templates[0] && draftTask(forge(), parsed(recorded('v15', title, kind)), templates[0], null);
    expect(task).toMatchObject({ title: expected, source: { kind, number: null, event: kind, ref } });
  });

  test('is none of what is no issue, pull request, push or release', () => {
    const { templates } = settings();
    const fork = parsed(recorded('v15', 'mallory forks the repository'));
    expect(templates[0] && draftTask(forge(), fork, templates[0], null)).toBeNull();
  });

  test('has no link that leads elsewhere', () => {
    const odd = altered(run, (body) => {
      (body.comment as { html_url: string }).html_url = 'javascript:alert(1)';
      (body.issue as { html_url: string }).html_url = 'http://evil.test/alice/widgets/issues/1';
    });
    expect(taskOf(odd)?.source.url).toBeNull();
  });

  test('keeps the beginning of a description that is too large', () => {
    const odd = altered(run, (body) => {
      (body.issue as { body: string }).body = 'ä'.repeat(600_000);
    });
    const body = taskOf(odd)?.body ?? '';
    expect(Buffer.byteLength(body)).toBeLessThanOrEqual(1024 * 1024);
    expect(body).toMatch(/^ä+\n\[\d+ bytes left out\]$/);
  });

  test('what people wrote reaches the input as it is and nothing else', () => {
    const hostile = recorded('v15', 'alice comments: text hostile to a shell');
    const task = taskOf(hostile, {
      templates: [{ name: 'a', command: ['cat'], input: '{{ words }}', environment: { TITLE: '{{ issue.title }}' } }],
    });
    expect(task?.input).toBe(parsed(hostile).comment?.body.slice('/run '.length));
    expect(task?.input).toContain('{{ eve');
    expect(task?.command).toEqual(['cat']);
    expect(task?.environment).toEqual({ TITLE: 'Flaky parser test' });
  });
});

test('what cannot be understood is ignored as malformed, with what is wrong', () => {
  expect(once({ ...run, body: '{"action":' }).reason).toBe('malformed: the body is not JSON');
  expect(once({ ...run, body: '{}' }).reason).toMatch(/^malformed: repository: /);
});
