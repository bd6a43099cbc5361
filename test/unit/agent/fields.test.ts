import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { fields, isFlag, isText, isWhole, isWholeOrMissing } from '../../../src/agent/fields.ts';

const plain = fields<{ name: string; is: boolean; count: number; more?: number | undefined }>({
  name: isText,
  is: isFlag,
  count: isWhole,
  more: isWholeOrMissing,
});
const schema = z.object({ name: z.string(), is: z.boolean(), count: z.int(), more: z.int().optional() });

const any = fc.oneof(fc.string(), fc.boolean(), fc.integer(), fc.double(), fc.constant(null), fc.constant(undefined));
const bodies = fc.oneof(
  fc.record({ name: any, is: any, count: any, more: any }, { requiredKeys: [] }),
  fc.record({ name: fc.string(), is: fc.boolean(), count: fc.oneof(fc.integer(), fc.double()), more: any }),
  fc.anything(),
);

test('what is checked field by field is what a schema of the same kinds takes', () => {
  fc.assert(
    fc.property(bodies, (body) => {
      expect(plain.safeParse(body).success).toBe(schema.safeParse(body).success);
    }),
  );
});

test('a body that is not as expected is refused with the names of what is wrong in it', () => {
  expect(plain.safeParse({ name: 1, is: true })).toMatchObject({
    success: false,
    error: { issues: [{ path: ['name'] }, { path: ['count'] }] },
  });
});
