import { describe, expect, it } from 'vitest';
import { isDatabaseAway, isFromServer, violates } from '../../../src/store/database-errors.ts';

const error = (message: string, fields: object = {}) => Object.assign(new Error(message), fields);

describe('an error of the database', () => {
  it.each([
    error('lock timeout', { code: '55P03' }),
    error('statement timeout', { code: '57014' }),
    error('too many clients', { code: '53300' }),
    error('shutting down', { code: '57P01' }),
    error('gone', { code: '08006' }),
    error('deadlock', { code: '40P01' }),
    error('idle in a transaction', { code: '25P03' }),
    error('read only', { code: '25006' }),
    error('connect ECONNREFUSED', { code: 'ECONNREFUSED', syscall: 'connect' }),
    error('connect ENOENT', { code: 'ENOENT', syscall: 'connect' }),
    error('Connection terminated unexpectedly'),
    error('timeout exceeded when trying to connect'),
    error('Query read timeout'),
  ])('means that it is away or too busy: $message', (one) => {
    expect(isDatabaseAway(one)).toBe(true);
  });

  it.each([
    error('syntax error', { code: '42601' }),
    error('violates', { code: '23505', constraint: 'agents_name' }),
    error('anything else'),
    'not even an error',
  ])('means something else: %s', (one) => {
    expect(isDatabaseAway(one)).toBe(false);
  });

  it('names the constraint that it violates', () => {
    expect(violates(error('x', { constraint: 'agents_name' }), 'agents_name')).toBe(true);
    expect(violates(error('x', { constraint: 'other' }), 'agents_name')).toBe(false);
    expect(violates(error('x'), 'agents_name')).toBe(false);
  });

  it.each([
    [error('violates', { code: '23505' }), true],
    [error('lock timeout', { code: '55P03' }), true],
    [error('idle in a transaction', { code: '25P03' }), false],
    [error('shutting down', { code: '57P01' }), false],
    [error('gone', { code: '08006' }), false],
    [error('connect ECONNREFUSED', { code: 'ECONNREFUSED', syscall: 'connect' }), false],
    [error('read EPIPE', { code: 'EPIPE1', syscall: 'read' }), false],
    [error('Connection terminated unexpectedly'), false],
    ['not even an error', false],
  ])('says whether its transaction was surely rolled back: %s', (one, surely) => {
    expect(isFromServer(one)).toBe(surely);
  });
});
