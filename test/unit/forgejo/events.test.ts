import { describe, expect, test } from 'vitest';
import { parseDelivery } from '../../../src/forgejo/events.ts';
import { deliveryHeaders, type Folder, recorded, recordings, VERSIONS } from '../../support/recordings.ts';
import { altered, made, parsed } from './support.ts';

const FOLDERS: Folder[] = ['deliveries', 'deliveries-odd', 'deliveries-out-of-order', 'deliveries-redirected'];

describe('all recorded deliveries', () => {
  test('all 614 and the odd ones are understood, but those that are not JSON', () => {
    expect(recordings()).toHaveLength(614);
    const malformed = FOLDERS.flatMap((folder) => recordings(undefined, folder)).filter(
      (one) => parsed(one).malformed !== null,
    );
    // The form-encoded one of each version, and what a 302 turns a delivery into: a GET without a body.
    expect(malformed.map((one) => one.path).sort()).toEqual([
      ...Array(3).fill('/hooks/form'),
      ...Array(3).fill('/landed302'),
    ]);
  });

  test('every one about an issue or pull request has its number, repository, sender and time', () => {
    for (const one of recordings()) {
      const { object, repository, sender, forgeUuid, eventType } = parsed(one);
      expect(forgeUuid, one.file).toMatch(/^[0-9a-f-]{36}$/);
      expect(one.file).toContain(eventType);
      if (object.kind !== 'issue' && object.kind !== 'pull_request') continue;
      expect(repository).toMatchObject({
        id: 1,
        fullName: 'alice/widgets',
        ownerLogin: 'alice',
        defaultBranch: 'main',
      });
      expect(object.number).toBeGreaterThan(0);
      expect(object.updatedAt.getTime() % 1000).toBe(0);
      expect(object.url).toContain(`/alice/widgets/${object.kind === 'issue' ? 'issues' : 'pulls'}/${object.number}`);
      expect(sender).not.toBeNull();
    }
  });

  test('no e-mail address gets through', () => {
    for (const one of recordings()) expect(JSON.stringify(parsed(one)), one.file).not.toMatch(/@(noreply\.|example)/);
  });
});

describe.each(VERSIONS)('%s', (version) => {
  const of = (title: string, which: number | string = 0) => parsed(recorded(version, title, which));

  test('a comment is read with its issue', () => {
    expect(of('alice comments: /run fix this please')).toMatchObject({
      malformed: null,
      eventType: 'issue_comment',
      action: 'created',
      sender: 'alice',
      repository: { url: 'http://forge.example.org/alice/widgets' },
      object: { kind: 'issue', number: 1, title: 'Flaky parser test', body: 'Fails often.', state: 'open' },
      comment: { body: '/run fix this please', author: 'alice' },
    });
  });

  test('label_cleared leaves no label, though its body lists the old ones', () => {
    const cleared = recorded(version, 'alice clears all labels (the body still lists the old ones)');
    expect(JSON.parse(cleared.body).issue.labels).toHaveLength(2);
    expect(parsed(cleared).object).toMatchObject({ kind: 'issue', labels: [] });
  });

  test('labels and assignees set at creation stand in the body of opened', () => {
    const { object } = of('alice opens an issue with label, two assignees and milestone at creation', 'issues-opened');
    expect(object).toMatchObject({ labels: ['agent:run', 'bug'], assignees: ['taskejo-bot', 'carol'] });
  });

  test('a comment on a pull request is about the pull request', () => {
    expect(of('alice comments on the pull request: /run on a pull request')).toMatchObject({
      eventType: 'pull_request_comment',
      object: { kind: 'pull_request', number: 9, baseRef: 'main', headRef: 'fix-parser', fromOutside: false },
      comment: { body: '/run on a pull request' },
    });
  });

  test('a pull request from a fork and one by AGit come from outside, one from a branch does not', () => {
    const outside = { kind: 'pull_request', fromOutside: true };
    expect(of('mallory opens a pull request from her fork').object).toMatchObject({ ...outside, headRef: 'evil' });
    expect(of('mallory opens a pull request by pushing to refs/for/main (AGit)').object).toMatchObject(outside);
    expect(of('alice opens a pull request from a branch').object).toMatchObject({ fromOutside: false });
  });

  test('a pull request whose fork is gone comes from outside', () => {
    const gone = altered(recorded(version, 'alice opens a pull request from a branch'), (body) => {
      (body.pull_request as { head: { repo: unknown } }).head.repo = null;
    });
    expect(parsed(gone).object).toMatchObject({ kind: 'pull_request', fromOutside: true });
  });

  test('a draft, a review and a requested review are read', () => {
    expect(of('alice opens a draft (WIP:) pull request', 'pull_request').object).toMatchObject({ draft: true });
    expect(of('carol reviews with a comment only').review).toEqual({ content: expect.any(String) });
    expect(of('alice requests a review from the bot').requestedReviewer).toBe('taskejo-bot');
  });

  test('the test button is told from a push', () => {
    expect(of('the test button by API').object).toMatchObject({ kind: 'push', test: true });
    expect(of('the test button in the web page').object).toMatchObject({ kind: 'push', test: true });
    expect(of('alice pushes one commit to main').object).toMatchObject({
      kind: 'push',
      ref: 'refs/heads/main',
      test: false,
    });
  });

  test('a release and a branch with an odd name are read as they are', () => {
    expect(of('alice publishes a release', 'release').object).toMatchObject({
      kind: 'release',
      tagName: 'v1.0.0',
      name: 'One',
    });
    expect(of('alice pushes a new branch named -oProxyCommand=x', 'push').object).toMatchObject({
      ref: 'refs/heads/-oProxyCommand=x',
    });
  });

  test('two hooks and Replay send the same facts under other ids', () => {
    const once = of('with two hooks on it (repository and system), alice comments /run twice over', 0);
    const twice = of('with two hooks on it (repository and system), alice comments /run twice over', 1);
    expect(twice).toEqual({ ...once, forgeUuid: twice.forgeUuid });
    expect(twice.forgeUuid).not.toBe(once.forgeUuid);
  });
});

test('a run of Forgejo Actions names its repository and sender within the run', () => {
  expect(parsed(recorded('v15', 'a run of Forgejo Actions fails'))).toMatchObject({
    malformed: null,
    repository: { fullName: 'alice/widgets' },
    sender: 'alice',
    object: { kind: 'other' },
  });
});

test('a package has no repository', () => {
  expect(parsed(recorded('v15', 'alice publishes a generic package (system hook)'))).toMatchObject({
    malformed: null,
    repository: null,
    sender: 'alice',
    object: { kind: 'other' },
  });
});

describe('text that a database could not hold', () => {
  test('NUL becomes U+FFFD and other control characters stay', () => {
    const bodies = recordings('v15', 'deliveries-odd').map((one) => parsed(one).comment?.body ?? '');
    expect(bodies[0]).toBe('/run before\uFFFDafter');
    expect(bodies[1]).toContain('\u001b[31mred');
    expect(bodies.every((body) => !body.includes('\0') && body.isWellFormed())).toBe(true);
  });

  test('a lone surrogate, as JSON can spell it, becomes U+FFFD', () => {
    const recording = recorded('v15', 'alice comments: plain text');
    const body = recording.body.replace('"Seen on arm64 too."', '"a \\ud800 b"');
    expect(parsed({ ...recording, body }).comment?.body).toBe('a \uFFFD b');
  });

  test('a comment of a megabyte is kept whole', () => {
    const big = recordings('v15', 'deliveries-odd').find((one) => one.title === 'a comment of 1 MB');
    expect(big && parsed(big).comment?.body.length).toBeGreaterThan(1_000_000);
  });
});

describe('bodies that cannot be understood', () => {
  const comment = recorded('v15', 'alice comments: /run fix this please');

  test.each([
    ['nothing', '', 'the body is not JSON'],
    ['text', 'hello', 'the body is not JSON'],
    ['half of it', '{"action":"created"', 'the body is not JSON'],
    ['a list', '[]', 'the body is not a JSON object'],
    ['null', 'null', 'the body is not a JSON object'],
    ['65 levels', `${'{"a":'.repeat(64)}[]${'}'.repeat(64)}`, 'the body is nested deeper than 64 levels'],
    ['a million levels', '['.repeat(1_000_000), 'the body is nested deeper than 64 levels'],
  ])('%s is malformed', (_, body, reason) => {
    expect(made('issue_comment', body)).toMatchObject({ malformed: reason, object: { kind: 'other' } });
  });

  test('64 levels are understood, and brackets in strings are not levels', () => {
    const deep = `{"a":${'['.repeat(63)}${']'.repeat(63)}}`;
    expect(made('wiki', deep).malformed).toBeNull();
    expect(made('wiki', JSON.stringify({ a: `\\"${'['.repeat(100)}`, b: '"{' })).malformed).toBeNull();
  });

  test('bytes that are not UTF-8 are malformed', () => {
    const body = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
    expect(parseDelivery({ headers: {}, body }).malformed).toBe('the body is not UTF-8');
  });

  test.each([
    ['without its repository', (body: Record<string, unknown>) => delete body.repository, /^repository: /],
    ['without its comment', (body: Record<string, unknown>) => delete body.comment, /^comment: /],
    ['with a number that is text', (body: Record<string, unknown>) => setIn(body, 'number', '1'), /^issue\.number: /],
    [
      'with a number no issue has',
      (body: Record<string, unknown>) => setIn(body, 'number', 2 ** 40),
      /^issue\.number: /,
    ],
    ['without a time', (body: Record<string, unknown>) => setIn(body, 'updated_at', 'now'), /^issue\.updated_at: /],
  ])('a comment %s is malformed, and says where', (_, change, where) => {
    const odd = parsed(altered(comment, change));
    expect(odd.malformed).toMatch(where);
    expect(odd).toMatchObject({ sender: 'alice', action: 'created', object: { kind: 'other' }, comment: null });
  });

  test('what may be missing may be missing or null', () => {
    const bare = altered(comment, (body) => {
      const issue = body.issue as Record<string, unknown>;
      for (const key of ['user', 'assignees', 'labels', 'body']) issue[key] = null;
      delete issue.html_url;
    });
    expect(parsed(bare)).toMatchObject({
      malformed: null,
      object: { author: null, assignees: [], labels: [], body: '', url: '' },
    });
  });

  test('an event of tomorrow is understood as another event', () => {
    const headers = { 'x-forgejo-event-type': 'issue_reaction' };
    const future = parseDelivery({ headers, body: Buffer.from('{"action":"added","issue":7}') });
    expect(future).toMatchObject({ malformed: null, action: 'added', object: { kind: 'other' } });
  });
});

const setIn = (body: Record<string, unknown>, key: string, value: unknown): void => {
  (body.issue as Record<string, unknown>)[key] = value;
};

describe('headers, which are not signed', () => {
  const comment = recorded('v15', 'alice comments on the pull request: /run on a pull request');
  const named = (eventType: string) =>
    parsed({
      ...comment,
      headers: [
        ...comment.headers.filter(([name]) => name !== 'X-Forgejo-Event-Type'),
        ['X-Forgejo-Event-Type', eventType],
      ],
    });

  test('a comment on a pull request stays one under the name of an issue comment', () => {
    expect(named('issue_comment').object).toMatchObject({ kind: 'pull_request' });
  });

  test('a comment on an issue is malformed only when its body lacks the pull request that it lists', () => {
    const without = altered(comment, (body) => delete body.pull_request);
    expect(parsed(without).malformed).toMatch(/^pull_request: /);
  });

  test('an id that is none is left out, and a name of any length is cut', () => {
    const odd = parseDelivery({
      headers: deliveryHeaders([
        ['X-Forgejo-Delivery', "'; drop table deliveries"],
        ['X-Forgejo-Event-Type', 'x'.repeat(5_000)],
      ]),
      body: Buffer.from('{}'),
    });
    expect(odd.forgeUuid).toBeNull();
    expect(odd.eventType).toHaveLength(100);
  });

  test('without a name, and with one that every object has, it is another event', () => {
    for (const eventType of ['', 'constructor', '__proto__', 'toString'])
      expect(named(eventType)).toMatchObject({ malformed: null, object: { kind: 'other' } });
  });
});
