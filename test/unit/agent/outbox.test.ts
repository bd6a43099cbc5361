import { expect, test, vi } from 'vitest';
import { createOutbox, type Ending } from '../../../src/agent/outbox.ts';
import { BLANK_RESULT, type Result } from '../../../src/domain/attempt.ts';
import { ControlPlaneError } from '../../../src/executor/control-plane.ts';

const result: Result = { ...BLANK_RESULT, outcome: 'completed', exitCode: 0 };
const forever = new AbortController().signal;

/** An outbox whose server answers when it is told to; what it was said stands in `said`, a row for each request. */
function setUp() {
  const said: string[][] = [];
  let answer = Promise.withResolvers<(Error | null)[]>();
  const say = async (endings: readonly Ending[]) => {
    said.push(endings.map(({ attemptId }) => attemptId));
    return answer.promise;
  };
  const outbox = createOutbox(say, forever);
  const complete = (attemptId: string, signal = forever) => outbox.complete(attemptId, result, signal);
  const accept = async (errors: (Error | null)[] = []) => {
    const now = answer;
    answer = Promise.withResolvers();
    now.resolve(errors);
    await vi.waitFor(() => Promise.resolve());
  };
  return { outbox, said, complete, accept };
}

test('a result waits for those of commands that ended before, however their logs are held up', async () => {
  const { outbox, said, complete, accept } = setUp();
  for (const id of ['a', 'b', 'c']) outbox.ended(id);
  const later = [complete('c'), complete('b')];
  expect(said).toEqual([]);
  const first = complete('a');
  expect(said).toEqual([['a', 'b', 'c']]);
  await accept();
  await Promise.all([first, ...later]);
});

test('what comes while a request is under way goes with the next one', async () => {
  const { said, complete, accept } = setUp();
  const all = ['a', 'b', 'c'].map((id) => complete(id));
  expect(said).toEqual([['a']]);
  await accept();
  await vi.waitFor(() => expect(said).toEqual([['a'], ['b', 'c']]), { timeout: 90_000 });
  await accept();
  await Promise.all(all);
});

test('one that is not accepted is answered so, holds its place, and the others are done', async () => {
  const { outbox, said, complete, accept } = setUp();
  for (const id of ['a', 'b', 'c']) outbox.ended(id);
  const [c, b, a] = [complete('c'), complete('b'), complete('a')];
  const refused = expect(b).rejects.toThrow('not now');
  await accept([null, new ControlPlaneError('unavailable', 'not now'), null]);
  await Promise.all([a, c, refused]);
  outbox.ended('d');
  const d = complete('d');
  expect(said).toHaveLength(1);
  const again = complete('b');
  expect(said).toEqual([
    ['a', 'b', 'c'],
    ['b', 'd'],
  ]);
  await accept();
  await Promise.all([again, d]);
});

test('an attempt of which nothing more is said is not waited for', async () => {
  const { outbox, said, complete, accept } = setUp();
  for (const id of ['a', 'b']) outbox.ended(id);
  const b = complete('b');
  outbox.left('a');
  expect(said).toEqual([['b']]);
  await accept();
  await b;
});

test('a result that waits too long for another goes before it', async () => {
  vi.useFakeTimers();
  try {
    const { outbox, said, complete, accept } = setUp();
    for (const id of ['stuck', 'b']) outbox.ended(id);
    const b = complete('b');
    await vi.advanceTimersByTimeAsync(30_000);
    expect(said).toEqual([['b']]);
    await accept();
    await b;
  } finally {
    vi.useRealTimers();
  }
});

test('a caller that goes away learns nothing more, and nothing waits for it', async () => {
  const { outbox, said, complete, accept } = setUp();
  const caller = new AbortController();
  outbox.ended('a');
  outbox.ended('b');
  const b = complete('b', caller.signal);
  caller.abort(new Error('gone'));
  await expect(b).rejects.toThrow('gone');
  outbox.left('b');
  const a = complete('a');
  expect(said).toEqual([['a']]);
  await accept();
  await a;
});
