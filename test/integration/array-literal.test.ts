import { Buffer } from 'node:buffer';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { arrayLiteral } from '../../src/store/array-literal.ts';
import { createTestDatabase } from '../support/database.ts';

let client: pg.Client;
beforeAll(async () => {
  client = new pg.Client({ connectionString: (await createTestDatabase({ empty: true })).connectionString });
  await client.connect();
});
afterAll(() => client.end());

const back = async (values: readonly unknown[], type: string): Promise<unknown> => {
  const { rows } = await client.query(`select $1::${type}[] as back`, [arrayLiteral(values)]);
  return rows[0]?.back;
};

const TEXTS = [
  'plain',
  '',
  'NULL',
  'null',
  '{}',
  'a,b',
  '"',
  '\\',
  '\\"',
  '{"a":"b\\\\c"}',
  ' edge ',
  "it's",
  'ß – 日本 🎉',
];
const CONTROLS = ['\n', '\t"', '\\n"\r\u0001\u001f', '🎉"\\', '\u007f"', '\u2028"'];

it('texts come to the database as they are', async () => {
  const values = [...TEXTS, ...CONTROLS, null, TEXTS.join('"')];
  expect(await back(values, 'text')).toEqual(values);
});

it('numbers, truths, bytes and nothing do too', async () => {
  expect(await back([1, -2, null, 2 ** 31 - 1], 'int')).toEqual([1, -2, null, 2 ** 31 - 1]);
  expect(await back([1.5, 1e21], 'float8')).toEqual([1.5, 1e21]);
  expect(await back([true, false, null], 'bool')).toEqual([true, false, null]);
  expect(await back([Buffer.from([0, 1, 255]), Buffer.alloc(0), null], 'bytea')).toEqual([
    Buffer.from([0, 1, 255]),
    Buffer.alloc(0),
    null,
  ]);
  expect(await back([], 'text')).toEqual([]);
});

it('whatever else is in an array is left to the driver', () => {
  for (const value of [undefined, new Date(), ['a'], { a: 1 }, 1n]) expect(arrayLiteral(['a', value])).toBeNull();
});
