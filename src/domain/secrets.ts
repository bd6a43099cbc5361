import { meansRepository } from './repository-pattern.ts';
import type { Environment } from './task.ts';

/** A value of the configuration that tasks may name, and which of them may. */
export type Secret = {
  value: string;
  /** Names of the templates whose tasks may use it. */
  templates: readonly string[];
  /** Null: in all, and in tasks that belong to none. */
  repositories: readonly string[] | null;
};
export type Secrets = ReadonlyMap<string, Secret>;
export const NO_SECRETS: Secrets = new Map();

/** What decides which secrets a task may use. */
export type SecretUser = { template: string | null; repository: string | null; environment: Environment };

/** The first name of the environment whose secret this task may not use, and why; null if there is none. */
export function refusedSecret(
  secrets: Secrets,
  { template, repository, environment }: SecretUser,
): { name: string; reason: string } | null {
  for (const [name, value] of Object.entries(environment)) {
    if (typeof value === 'string') continue;
    const reason = whyNot(secrets.get(value.secret), value.secret, template, repository);
    if (reason !== null) return { name, reason };
  }
  return null;
}

function whyNot(secret: Secret | undefined, name: string, template: string | null, repository: string | null) {
  if (secret === undefined) return `there is no secret ${name} in the server's configuration`;
  if (template === null) return `the secret ${name} is for tasks of certain templates only`;
  if (!secret.templates.includes(template)) return `the secret ${name} is not for tasks of the template ${template}`;
  const { repositories } = secret;
  if (repositories === null || repositories.some((one) => repository !== null && meansRepository(one, repository)))
    return null;
  return repository === null
    ? `the secret ${name} is for tasks of certain repositories only`
    : `the secret ${name} is not for the repository ${repository}`;
}

/** The environment with the values of secrets; of those that the task may not use the name stays. */
export function withSecrets(secrets: Secrets, user: SecretUser): Environment {
  return Object.fromEntries(
    Object.entries(user.environment).map(([name, value]) => {
      const refused = refusedSecret(secrets, { ...user, environment: { [name]: value } });
      return [name, typeof value === 'string' || refused ? value : (secrets.get(value.secret)?.value ?? value)];
    }),
  );
}

/** The values that an environment names, for whoever must hide them. */
export const valuesOf = (secrets: Secrets, environment: Environment): string[] =>
  Object.values(environment).flatMap((value) => {
    const secret = typeof value === 'string' ? undefined : secrets.get(value.secret);
    return secret === undefined ? [] : [secret.value];
  });
