import { afterEach, expect, it } from 'vitest';
import type { Json } from '../../../src/domain/canonical-json.ts';
import { createSchemaJudge, type SchemaJudge } from '../../../src/usecases/schemas/judge.ts';

let judge: SchemaJudge;
afterEach(() => judge.stop());

const large: Json = {
  properties: Object.fromEntries(
    [...Array(20_000).keys()].map((n) => [`property${n}`, { type: 'string', minLength: n, maxLength: n + 1 }]),
  ),
};

it('says what is wrong with a schema, and with an output', async () => {
  judge = createSchemaJudge();
  expect(await judge.faultOf({ type: 'string' })).toBeNull();
  expect(await judge.faultOf({ type: 'strung' })).toMatch(/is not a JSON Schema that can be used/);
  expect(await judge.misfit({ type: 'string' }, 'x')).toBeNull();
  expect(await judge.misfit({ type: 'string' }, null)).toBe('the output does not satisfy the schema: must be string');
});

it('keeps nobody waiting while it judges', async () => {
  judge = createSchemaJudge();
  await judge.faultOf(true);
  let turns = 0;
  let judging = true;
  const others = async () => {
    for (; judging; turns++) await new Promise(setImmediate);
  };
  const going = others();
  expect(await judge.misfit({ pattern: '^(a+)+$' }, `${'a'.repeat(60)}!`)).toMatch(/takes too long/);
  judging = false;
  await going;
  expect(turns).toBeGreaterThan(10);
});

it('takes no more memory than it may, and goes on with the others', async () => {
  judge = createSchemaJudge(32);
  const [fault, fine] = await Promise.all([judge.faultOf(large), judge.misfit({ type: 'number' }, 1)]);
  expect(fault).toMatch(/takes too/);
  expect(fine).toBeNull();
});

it('that is stopped answers nobody any more', async () => {
  judge = createSchemaJudge();
  const asked = judge.faultOf({ type: 'string' });
  const refused = expect(asked).rejects.toThrow('the server is stopping');
  await judge.stop();
  await refused;
});
