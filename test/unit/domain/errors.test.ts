import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AppError, ERROR_CODES, type ErrorCode } from '../../../src/domain/errors.ts';

/** What other programs match on: a code may be added, none may change its status. */
const STATUSES: Record<number, ErrorCode[]> = {
  400: ['malformed', 'assign_not_allowed', 'mode_mismatch'],
  401: ['unauthenticated', 'signature_invalid'],
  403: ['forbidden', 'address_not_allowed'],
  404: ['not_found', 'unknown_forge'],
  405: ['method_not_allowed'],
  409: [
    'lease_lost',
    'attempt_finished',
    'offset_gap',
    'status_not_allowed',
    'idempotency_conflict',
    'name_taken',
    'instance_conflict',
    'configured_in_file',
  ],
  412: ['version_mismatch'],
  413: ['too_large'],
  415: ['unsupported_media_type'],
  416: ['range_not_satisfiable'],
  422: ['invalid', 'dependency_cycle', 'unknown_template'],
  429: ['rate_limited'],
  500: ['internal'],
  503: ['unavailable'],
};

describe('the list of errors', () => {
  it('has one status for each code', () => {
    const byStatus = Object.entries(STATUSES).flatMap(([status, codes]) => codes.map((code) => [code, Number(status)]));
    const listed = Object.entries(ERROR_CODES).map(([code, [status]]) => [code, status]);
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(byStatus));
  });

  it('is documented, each with what to do', () => {
    const page = readFileSync(new URL('../../../docs/api/errors.md', import.meta.url), 'utf8');
    const rows = page.split('\n').filter((line) => /^\| \d{3} /.test(line));
    const documented = rows.map((row) => /`(\w+)`/.exec(row)?.[1]);
    expect(documented.toSorted()).toEqual(Object.keys(ERROR_CODES).toSorted());
    expect(rows.every((row) => row.split('|').every((cell, at) => at === 0 || at === 5 || cell.trim() !== ''))).toBe(
      true,
    );
  });

  it('makes errors that keep their cause', () => {
    const cause = new Error('why');
    expect(new AppError('internal', 'what', { cause })).toMatchObject({
      cause,
      code: 'internal',
      fields: [],
      extra: {},
    });
  });
});
