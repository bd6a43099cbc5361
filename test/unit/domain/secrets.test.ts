import { describe, expect, test } from 'vitest';
import { refusedSecret, type Secrets, valuesOf, withSecrets } from '../../../src/domain/secrets.ts';

const secrets: Secrets = new Map([
  ['KEY', { value: 'open sesame', templates: ['claude'], repositories: null }],
  ['OURS', { value: 'ours alone', templates: ['claude'], repositories: ['main:alice/*', 'bob/tools'] }],
  ['NONE', { value: 'nobody', templates: ['claude'], repositories: [] }],
]);
const naming = (secret: string) => ({ A: 'plain', B: { secret } });

describe('a secret', () => {
  test.each([
    ['KEY', 'claude', null, null],
    ['KEY', 'claude', 'main:bob/widgets', null],
    ['KEY', 'build', null, 'the secret KEY is not for tasks of the template build'],
    ['KEY', null, null, 'the secret KEY is for tasks of certain templates only'],
    ['LOST', 'claude', null, "there is no secret LOST in the server's configuration"],
    ['constructor', 'claude', null, "there is no secret constructor in the server's configuration"],
    ['OURS', 'claude', 'main:alice/widgets', null],
    ['OURS', 'claude', 'main:Alice/Widgets', null],
    ['OURS', 'claude', 'other:bob/tools', null],
    ['OURS', 'claude', 'other:alice/widgets', 'the secret OURS is not for the repository other:alice/widgets'],
    ['OURS', 'claude', 'main:bob/widgets', 'the secret OURS is not for the repository main:bob/widgets'],
    ['OURS', 'claude', null, 'the secret OURS is for tasks of certain repositories only'],
    ['NONE', 'claude', 'main:alice/widgets', 'the secret NONE is not for the repository main:alice/widgets'],
  ])('%s of a task of %s in %s: %s', (secret, template, repository, reason) => {
    const user = { template, repository, environment: naming(secret) };
    expect(refusedSecret(secrets, user)).toEqual(reason === null ? null : { name: 'B', reason });
    const value = reason === null ? secrets.get(secret)?.value : { secret };
    expect(withSecrets(secrets, user)).toEqual({ A: 'plain', B: value });
  });

  test('is hidden wherever it is named, also where it may not be used any more', () => {
    expect(valuesOf(secrets, { A: 'plain', B: { secret: 'OURS' }, C: { secret: 'LOST' } })).toEqual(['ours alone']);
  });
});
