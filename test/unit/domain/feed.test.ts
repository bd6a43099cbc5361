import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settle, type Undecided } from '../../../src/domain/feed.ts';

const numbered = (...sequences: number[]) => sequences.map((sequence) => ({ sequence }));
const numbers = (events: readonly { sequence: number }[]) => events.map(({ sequence }) => sequence);

describe('events after a position', () => {
  it('are shown as far as no number is missing', () => {
    const { events, missing } = settle(3, numbered(4, 5, 7, 8), 100n, null);
    expect([numbers(events), missing]).toEqual([[4, 5], 8]);
  });

  it('are shown beyond a missing number once all have ended that could have it', () => {
    const waiting = { upTo: 7, before: 100n };
    expect(settle(3, numbered(5, 7), 99n, waiting)).toEqual({ events: [], undecided: waiting, missing: null });
    const { events, undecided, missing } = settle(3, numbered(5, 7, 9), 100n, waiting);
    expect([numbers(events), undecided, missing]).toEqual([[5, 7], null, 9]);
  });

  it('wait for the first that was missed, not ever again for the newest', () => {
    const waiting = { upTo: 7, before: 100n };
    expect(settle(3, numbered(5, 7, 9), 99n, waiting)).toMatchObject({ undecided: waiting, missing: null });
  });
});

/** Transactions that take numbers and end in any order, as a database shows them to one who looks now and then. */
type Step = { begin: number } | { number: number } | { end: number; commits: boolean } | 'look';

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ begin: fc.nat(5) }),
  fc.record({ number: fc.nat(5) }),
  fc.record({ end: fc.nat(5), commits: fc.boolean() }),
  fc.constant('look' as const),
);

function play(steps: readonly Step[], look: (database: Database) => void): Database {
  const database: Database = { nextXid: 1n, nextNumber: 1, open: new Map(), committed: [] };
  for (const one of steps) {
    if (one === 'look') look(database);
    else if ('begin' in one && !database.open.has(one.begin)) {
      database.open.set(one.begin, { xid: database.nextXid++, numbers: [] });
    } else if ('number' in one) database.open.get(one.number)?.numbers.push(database.nextNumber++);
    else if ('end' in one) {
      const ended = database.open.get(one.end);
      if (ended && one.commits) database.committed.push(...ended.numbers);
      database.open.delete(one.end);
    }
  }
  database.open.clear();
  look(database);
  look(database);
  return database;
}

type Database = {
  nextXid: bigint;
  nextNumber: number;
  open: Map<number, { xid: bigint; numbers: number[] }>;
  committed: number[];
};

it('each event that is ever committed is shown once, in order, however transactions interleave', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (steps, limit) => {
      const shown: number[] = [];
      let waiting: Undecided | null = null;
      const look = ({ open, committed, nextXid }: Database) => {
        const xmin = [...open.values()].reduce((least, { xid }) => (xid < least ? xid : least), nextXid);
        for (;;) {
          const after = shown.at(-1) ?? 0;
          const there = committed.filter((sequence) => sequence > after).toSorted((a, b) => a - b);
          const part = settle(after, numbered(...there.slice(0, limit)), xmin, waiting);
          waiting = part.missing === null ? part.undecided : { upTo: part.missing, before: nextXid };
          shown.push(...numbers(part.events));
          if (part.events.length === 0) return;
        }
      };
      const { committed } = play(steps, look);
      expect(shown).toEqual(committed.toSorted((a, b) => a - b));
    }),
    { numRuns: 2_000 },
  );
});
