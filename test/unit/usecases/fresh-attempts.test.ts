import { expect, it } from 'vitest';
import { createFreshAttempts, type FreshAttempt } from '../../../src/usecases/dequeue/fresh-attempts.ts';

const attempt = (attemptId: string, changes: Partial<FreshAttempt> = {}): FreshAttempt => ({
  attemptId,
  agentId: 'a',
  doubted: false,
  id: `task of ${attemptId}`,
  status: 'assigned',
  event_n: 2,
  event_hash: 'h',
  environment: {},
  output_schema: null,
  ...changes,
});

it('the oldest attempts are forgotten when there are very many', () => {
  const fresh = createFreshAttempts();
  for (let n = 0; n <= 20_000; n++) fresh.remember(attempt(`${n}`));
  expect(fresh.find('0')).toBeUndefined();
  expect(fresh.find('1')).toMatchObject({ id: 'task of 1' });
  expect(fresh.find('20000')).toMatchObject({ id: 'task of 20000' });
});

it.each<[string, Partial<FreshAttempt>]>([
  ['environment', { environment: { TEXT: 'x'.repeat(3_000) } }],
  ['schema', { output_schema: { description: 'x'.repeat(3_000) } }],
])('an attempt whose task has a large %s is not remembered, as many of them would fill the memory', (_, changes) => {
  const fresh = createFreshAttempts();
  fresh.remember(attempt('heavy', changes));
  expect(fresh.find('heavy')).toBeUndefined();
});
