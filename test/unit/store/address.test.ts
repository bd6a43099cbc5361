import { expect, test } from 'vitest';
import { addressOptions } from '../../../src/store/address.ts';

test('an address is a connection string, or host, user and database with what else is known', () => {
  expect(addressOptions({ connectionString: 'postgresql://a/b' })).toEqual({ connectionString: 'postgresql://a/b' });
  const parts = { host: '/run/pg', user: 'taskejo', database: 'taskejo' };
  expect(addressOptions(parts)).toEqual(parts);
  expect(addressOptions({ ...parts, port: 5433, password: 'secret' })).toEqual({
    ...parts,
    port: 5433,
    password: 'secret',
  });
});

test('what else an object carries does not reach the driver', () => {
  const options = { connectionString: 'postgresql://a/b', max: 3, statementTimeoutSeconds: 1 };
  expect(addressOptions(options)).toEqual({ connectionString: 'postgresql://a/b' });
});
