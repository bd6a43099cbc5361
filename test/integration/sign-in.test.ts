import { afterAll, describe, expect, it } from 'vitest';
import { ADMIN_BY_ENVIRONMENT } from '../../src/usecases/access/authenticate.ts';
import { createToken } from '../../src/usecases/access/create-token.ts';
import { createSignIn, type Refusal } from '../../src/usecases/access/sign-in.ts';
import { ownerOfToken } from '../../src/usecases/access/token-owner.ts';
import { createTestDatabase } from '../support/database.ts';
import { createTestDeps } from '../support/deps.ts';

const database = await createTestDatabase();
const deps = await createTestDeps(database);
afterAll(() => deps.stop());

describe('bad tokens', () => {
  const told: Refusal[] = [];
  const onRefused = (refusal: Refusal) => void told.push(refusal);
  const options = {
    adminToken: null,
    badTokensPerMinute: 1,
    isInNetworks: () => true,
    installationId: '',
    clockMs: Date.now,
    onRefused,
  };

  it('are counted by address up to ten thousand of them, and together beyond', async () => {
    const signIn = createSignIn(deps, { ...options, nowMs: () => 0 });
    // A token that can't be one is refused without asking the database, so that ten thousand take no time.
    const from = (address: string) =>
      signIn.principalOf('bad', address).catch(({ code, extra }) => ({ code, ...extra }) as object);
    for (let n = 0; n < 10_000; n++) expect(await from(`a${n}`)).toEqual({ code: 'unauthenticated' });
    expect(await from('a9999')).toEqual({ code: 'rate_limited', retry_after_seconds: 60 });
    expect(await from('the next')).toEqual({ code: 'unauthenticated' });
    expect(await from('another')).toMatchObject({ code: 'rate_limited' });
    // Of each address once, and no more of them in a minute than anybody reads.
    expect(told).toHaveLength(100);
    expect(told[0]).toEqual({ address: 'a0', code: 'unauthenticated' });
  });

  it('are forgotten with their minute', async () => {
    let nowMs = 0;
    const signIn = createSignIn(deps, { ...options, nowMs: () => nowMs });
    const refusal = () => signIn.principalOf('bad', 'a').catch(({ code }) => code as string);
    expect(await refusal()).toBe('unauthenticated');
    expect(await refusal()).toBe('rate_limited');
    nowMs = 60_000;
    expect(await refusal()).toBe('unauthenticated');
  });
});

describe('the owner of a token', () => {
  const make = (scope: 'viewer' | 'coordinator', expiresInSeconds: number | null = null) =>
    createToken(deps, { name: `of ${scope}`, scope, expiresInSeconds });
  const idOf = async (name: string) => {
    const row = await database.db.selectFrom('tokens').select('id').where('name', '=', name).executeTakeFirst();
    return row?.id ?? '';
  };

  it('is known by its id, until it is revoked', async () => {
    await make('viewer');
    const id = await idOf('of viewer');
    expect(await ownerOfToken(deps, false, id)).toMatchObject({ tokenId: id, scope: 'viewer', name: 'of viewer' });
    await database.db
      .updateTable('tokens')
      .set({ revoked_at: new Date().toISOString() })
      .where('id', '=', id)
      .execute();
    expect(await ownerOfToken(deps, false, id)).toBeNull();
  });

  it("is the operator for the operator's own, where there is one", async () => {
    expect(await ownerOfToken(deps, true, ADMIN_BY_ENVIRONMENT.tokenId)).toEqual(ADMIN_BY_ENVIRONMENT);
    expect(await ownerOfToken(deps, false, ADMIN_BY_ENVIRONMENT.tokenId)).toBeNull();
  });

  it.each(['', 'no id', "' or true --"])('is nobody for what is no id: %j', async (text) => {
    expect(await ownerOfToken(deps, true, text)).toBeNull();
  });
});
