import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPreparing } from '../../src/store/prepared.ts';
import { createTestDatabase } from '../support/database.ts';

let client: pg.Client;
beforeAll(async () => {
  client = new pg.Client({ connectionString: (await createTestDatabase({ empty: true })).connectionString });
  await client.connect();
  createPreparing()(client);
});
afterAll(() => client.end());

const prepared = async (): Promise<string[]> => {
  const { rows } = await client.query('select statement from pg_prepared_statements');
  return rows.map(({ statement }) => statement);
};
const often = async (text: string) => {
  for (let n = 0; n < 3; n++) await client.query(text, []);
};

it('a statement is prepared once it has come three times, one without parameters never', async () => {
  await client.query('select 1 as twice', []);
  await client.query('select 1 as twice', []);
  await often('select 1 as thrice');
  for (let n = 0; n < 3; n++) await client.query('select 1 as plain');
  expect(await prepared()).toEqual(['select 1 as thrice']);
});

it('texts that are made up for one call are forgotten, and there is an end to what is prepared', async () => {
  for (let n = 0; n < 3_100; n++) await client.query(`select 1 as once_${n}`, []);
  expect(await prepared()).toEqual(['select 1 as thrice']);
  for (let n = 0; n < 310; n++) await often(`select 1 as often_${n}`);
  expect(await prepared()).toHaveLength(300);
});
