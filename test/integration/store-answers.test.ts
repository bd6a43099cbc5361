import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { errorCode, reasonOf } from '../../src/store/embedded/errors.ts';
import { freeAttempts } from '../../src/store/ssh-attempts.ts';
import { findTasksOfAttempts } from '../../src/store/tasks.ts';
import { tokenNames } from '../../src/store/tokens.ts';
import { createTestDatabase } from '../support/database.ts';

const { db } = await createTestDatabase();

describe('a question about nothing', () => {
  test('is answered with nothing', async () => {
    expect(await findTasksOfAttempts(db, [])).toEqual([]);
    expect(await freeAttempts(db, [])).toEqual([]);
    expect(await tokenNames(db, [])).toEqual([]);
  });
});

describe('a time of the database', () => {
  const read = async (text: string) => {
    const { rows } = await sql<{ at: string }>`select ${text}::timestamptz as at`.execute(db);
    return rows[0]?.at;
  };

  test.each([
    ['2026-03-01 12:00:00+02', '2026-03-01T10:00:00.000000Z'],
    ['2026-03-01 12:00:00.5Z', '2026-03-01T12:00:00.500000Z'],
    ['2026-03-01 12:00:00.123456Z', '2026-03-01T12:00:00.123456Z'],
  ])('is read in UTC with six digits: %s', async (written, expected) => {
    expect(await read(written)).toBe(expected);
  });

  test('that is no point in time is left as it is said', async () => {
    expect(await read('infinity')).toBe('infinity');
  });
});

describe('what stands in brackets behind a sentence', () => {
  test('is the code of an error of the system, and what any other says', () => {
    expect(reasonOf(Object.assign(new Error('no such file'), { code: 'ENOENT' }))).toBe('ENOENT');
    expect(reasonOf(new Error('broken'))).toBe('Error: broken');
    expect(reasonOf('thrown as a text')).toBe('thrown as a text');
    expect(errorCode(Object.assign(new Error('x'), { code: 7 }))).toBeUndefined();
    expect(errorCode(null)).toBeUndefined();
  });
});
