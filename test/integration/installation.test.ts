import { beforeEach, describe, expect, it } from 'vitest';
import { tokenHash } from '../../src/domain/token.ts';
import { prepareInstallation } from '../../src/usecases/upkeep/prepare-installation.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let kept: string[];
beforeEach(async () => {
  database = await createTestDatabase();
  kept = [];
});

const keep = async (token: string) => void kept.push(token);
const prepare = (how: typeof keep | null = keep) => prepareInstallation({ db: database.db }, how);
const stored = () => database.db.selectFrom('tokens').selectAll().execute();

describe('what all replicas share', () => {
  it('is made once, however many start at the same moment', async () => {
    const starts = await Promise.all([1, 2, 3, 4, 5].map(() => prepare()));
    expect(new Set(starts.map(({ installation }) => installation.id)).size).toBe(1);
    expect(new Set(starts.map(({ installation }) => installation.secret.toString('hex'))).size).toBe(1);
    expect(starts.map(({ adminToken }) => adminToken).filter((token) => token !== null)).toEqual(kept);
    expect(kept).toHaveLength(1);
    expect(await stored()).toMatchObject([{ scope: 'admin', hash: tokenHash(kept[0] ?? '') }]);
  });

  it('has a first admin token only if it could be kept: else the next start makes one', async () => {
    const full = () => Promise.reject(new Error('no space left'));
    await expect(prepare(full)).rejects.toThrow('no space left');
    expect(await stored()).toEqual([]);
    expect((await prepare()).adminToken).toBe(kept[0]);
  });

  it('has none where the operator has set one, and gets one when that is taken away', async () => {
    expect((await prepare(null)).adminToken).toBeNull();
    expect(await stored()).toEqual([]);
    expect((await prepare()).adminToken).toMatch(/^tkj_admin_/);
  });

  it('gets no second one when the first was revoked', async () => {
    await prepare();
    await database.db.updateTable('tokens').set({ revoked_at: new Date().toISOString() }).execute();
    expect((await prepare()).adminToken).toBeNull();
  });
});
