import { type KyselyPlugin, sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readFeed } from '../../src/store/event-feed.ts';
import type { StoredEvent } from '../../src/store/events.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { createEventFeed, type EventFeed } from '../../src/usecases/feed/event-feed.ts';
import { listFeed } from '../../src/usecases/feed/list-feed.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';
import { waitFor } from '../support/wait-for.ts';
import { closeWriters, openWriter, writeEvent } from '../support/written-events.ts';

let database: TestDatabase;
let deps: Deps & { stop(): Promise<void> };
let leave: AbortController;

beforeEach(async () => {
  database = await createTestDatabase({ max: 8 });
  deps = await createTestDeps(database);
  leave = new AbortController();
});
afterEach(async () => {
  leave.abort();
  await closeWriters();
  await deps.stop();
  await database.close();
});

const numbers = (events: readonly { sequence: number }[]) => events.map(({ sequence }) => sequence);

/** Takes what comes as it comes. */
async function watch(feed: EventFeed, after: number | null) {
  const following = await feed.follow(after, leave.signal);
  const seen = { numbers: [] as number[], ended: false };
  const take = async () => {
    for await (const events of following) seen.numbers.push(...numbers(events));
    seen.ended = true;
  };
  void take();
  return seen;
}

const visible = async (after: number) => {
  const { rows } = await sql<{ sequence: number }>`
    select sequence from events where sequence > ${after} order by sequence`.execute(deps.db);
  return numbers(rows);
};

describe('a slower transaction beside a faster one', () => {
  it('would leave a hole for who goes by the number alone', async () => {
    const slow = await openWriter(database);
    const first = await slow.write();
    const second = await writeEvent(deps.db);
    expect(await visible(0)).toEqual([second]);
    await slow.commit();
    expect(await visible(second)).toEqual([]);
    expect(await visible(0)).toEqual([first, second]);
  });

  it('would leave one for who leaves out only what is younger than the oldest open one', async () => {
    const older = await openWriter(database);
    const younger = await openWriter(database);
    const first = await younger.write();
    const second = await older.write();
    await older.commit();
    const naive = async (after: number) => numbers((await readFeed(deps.db, after, 10)).events);
    // What others do in other databases of this server counts as open too.
    await waitFor(async () => (await naive(0)).length > 0);
    expect(await naive(0)).toEqual([second]);
    await younger.commit();
    expect(await naive(second)).toEqual([]);
    await waitFor(async () => (await naive(0)).length === 2);
    expect(await naive(0)).toEqual([first, second]);
  });

  it('leaves no hole in the list: what comes after what may still come waits', async () => {
    const older = await openWriter(database);
    const younger = await openWriter(database);
    const first = await younger.write();
    const second = await older.write();
    await older.commit();
    const held = await listFeed(deps, 0, { limit: 10, cursor: null });
    expect(numbers(held.items)).toEqual([]);
    await younger.commit();
    const goneOn = () => listFeed(deps, 0, { limit: 10, cursor: held.nextCursor });
    await waitFor(async () => (await goneOn()).items.length > 0);
    expect([numbers((await goneOn()).items), (await goneOn()).nextCursor]).toEqual([[first, second], null]);
  });

  it('leaves no hole for who follows', async () => {
    const feed = createEventFeed(deps);
    const seen = await watch(feed, 0);
    const older = await openWriter(database);
    const younger = await openWriter(database);
    const zeroth = await writeEvent(deps.db);
    const first = await younger.write();
    const second = await older.write();
    await older.commit();
    await younger.commit();
    await waitFor(() => seen.numbers.length === 3);
    expect(seen.numbers).toEqual([zeroth, first, second]);
  });

  it('is seen by who begins to follow while it writes', async () => {
    const slow = await openWriter(database);
    const first = await slow.write();
    await writeEvent(deps.db);
    const seen = await watch(createEventFeed(deps), null);
    const third = await writeEvent(deps.db);
    await slow.commit();
    await waitFor(() => seen.numbers.length === 2);
    expect(seen.numbers).toEqual([first, third]);
  });

  it('that is rolled back holds nothing back for ever', async () => {
    const seen = await watch(createEventFeed(deps), 0);
    const slow = await openWriter(database);
    await slow.write();
    const second = await writeEvent(deps.db);
    await slow.rollback();
    await waitFor(() => seen.numbers.length === 1);
    expect(seen.numbers).toEqual([second]);
    // A page may still be held back by what others write meanwhile on this server.
    let listed: number[] = [];
    await waitFor(async () => {
      listed = numbers((await listFeed(deps, 0, { limit: 10, cursor: null })).items);
      return listed.length > 0;
    });
    expect(listed).toEqual([second]);
  });
});

it('however many write at once, who follows and who comes back again and again see each event once, in order', async () => {
  const feed = createEventFeed(deps, 50);
  const steady = await watch(feed, 0);
  let written = false;
  const writing = Promise.all([0, 1, 2, 3, 4].map(writeMany)).then(() => {
    written = true;
  });
  const pieces: number[] = [];
  for (let all: number[] | null = null; all === null || pieces.length < all.length; ) {
    if (written) all ??= await visible(0);
    pieces.push(...(await nextOf(feed, pieces.at(-1) ?? 0)));
  }
  await writing;
  const all = await visible(0);
  expect(pieces).toEqual(all);
  await waitFor(() => steady.numbers.length === all.length || steady.ended);
  expect(steady.numbers).toEqual(all.slice(0, steady.numbers.length));
});

/** Every now and then one is rolled back after it took a number. */
async function writeMany(writer: number): Promise<void> {
  for (let n = 0; n < 60; n++) {
    const open = await openWriter(database);
    await open.write();
    await open.write();
    await (n % 7 === writer ? open.rollback() : open.commit());
    deps.wakeups.emit({ kind: 'ready' });
  }
}

/** What comes first to one who goes on after a number and leaves again; nothing if nothing comes for a second. */
async function nextOf(feed: EventFeed, after: number): Promise<number[]> {
  const once = new AbortController();
  let looks = 0;
  for await (const events of await feed.follow(after, once.signal)) {
    if (events.length === 0 && ++looks === 1) continue;
    once.abort();
    return numbers(events);
  }
  return [];
}

it('two hundred who follow are served by one reader', async () => {
  let statements = 0;
  const feed = createEventFeed({ ...deps, db: deps.db.withPlugin(counting(() => statements++)) });
  const seen = await Promise.all(Array.from({ length: 200 }, () => watch(feed, null)));
  const before = statements;
  const written = await writeEvent(deps.db);
  deps.wakeups.emit({ kind: 'ready' });
  await waitFor(() => seen.every(({ numbers }) => numbers.length === 1));
  expect(seen.every(({ numbers }) => numbers[0] === written)).toBe(true);
  // As many as seconds and hints have passed, however many follow.
  expect(statements - before).toBeLessThan(100);
  expect(feed.followers()).toBe(200);
  leave.abort();
  await waitFor(() => feed.followers() === 0);
});

/** Counts the answers of a database. */
const counting = (count: () => void): KyselyPlugin => ({
  transformQuery: ({ node }) => node,
  transformResult: async ({ result }) => {
    count();
    return result;
  },
});

it('who takes nothing is dropped when more has come than is kept, and nobody waits for it', async () => {
  const feed = createEventFeed(deps, 10);
  const slow = await feed.follow(null, leave.signal);
  const quick = await watch(feed, null);
  const written: number[] = [];
  for (let n = 0; n < 30; n++) {
    written.push(await writeEvent(deps.db));
    deps.wakeups.emit({ kind: 'ready' });
    await waitFor(() => quick.numbers.length === written.length);
  }
  const taken: StoredEvent[] = [];
  for await (const events of slow) taken.push(...events);
  expect([taken.length, leave.signal.aborted, feed.followers()]).toEqual([0, false, 1]);
  expect(quick.numbers).toEqual(written);
});

it('a reader that lost its database ends for all who follow, and the next who comes starts another', async () => {
  const feed = createEventFeed(deps);
  const following = await feed.follow(null, leave.signal);
  const taking = (async () => {
    for await (const _ of following) {
      // until it breaks off
    }
  })();
  const broken = expect(taking).rejects.toThrow(/events/);
  await sql`alter table events rename to hidden`.execute(deps.db);
  await broken;
  await expect(feed.follow(null, leave.signal)).rejects.toThrow(/events/);
  await sql`alter table hidden rename to events`.execute(deps.db);
  const seen = await watch(feed, null);
  const written = await writeEvent(deps.db);
  await waitFor(() => seen.numbers.length === 1);
  expect([seen.numbers, feed.followers()]).toEqual([[written], 1]);
});
