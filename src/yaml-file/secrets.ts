import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { z } from 'zod';
import type { Path } from './mistake.ts';
import { type Environment, isPlainMap } from './overrides.ts';
import { mayBeNull, membersOf, type SecretMark, secretMark } from './schema-tree.ts';

export type SettleContext = {
  env: Environment;
  /** What `{file}` is relative to. */
  folder: string;
  /** Told of each secret that can't be had. */
  refuse: (path: Path, message: string) => void;
  /** Told of each secret that stands in the settings as plain text. */
  plain: (path: Path) => void;
  /** Told of each file that holds a secret. */
  file: (path: string) => void;
};

/**
 * The data with its secrets in place of `{env: NAME}` and `{file: PATH}`. A key left empty in the file counts as left
 * out, unless null means something there.
 */
export async function settle(
  value: unknown,
  schemas: readonly z.ZodType[],
  path: Path,
  context: SettleContext,
): Promise<unknown> {
  const mark = secretMark(schemas);
  if (mark !== null && isPlainMap(value)) return secretOf(value, mark, path, context);
  if ((mark === true || mark === 'if needed') && typeof value === 'string') context.plain(path);
  if (value === null) return schemas.length === 0 || mayBeNull(schemas) ? null : undefined;
  if (Array.isArray(value)) {
    return Promise.all(value.map((item, index) => settle(item, membersOf(schemas, index), [...path, index], context)));
  }
  if (!isPlainMap(value)) return value;
  const members = await Promise.all(
    Object.entries(value).map(
      async ([key, member]) => [key, await settle(member, membersOf(schemas, key), [...path, key], context)] as const,
    ),
  );
  return Object.fromEntries(members.filter(([, member]) => member !== undefined));
}

async function secretOf(
  reference: Record<string, unknown>,
  mark: SecretMark,
  path: Path,
  context: SettleContext,
): Promise<unknown> {
  const { env: name, file } = reference;
  const keys = Object.keys(reference).length;
  if (keys === 1 && typeof name === 'string') {
    const value = context.env[name];
    if (value !== undefined && value !== '') return value;
    if (mark === true) context.refuse(path, `the environment variable ${name} is not set`);
    return undefined;
  }
  if (keys === 1 && typeof file === 'string') return secretFile(file, path, context);
  context.refuse(path, 'must be {env: NAME} or {file: PATH}');
  return undefined;
}

async function secretFile(file: string, path: Path, context: SettleContext): Promise<string | undefined> {
  const { folder, refuse } = context;
  const place = resolve(folder, file);
  try {
    const text = (await readFile(place, 'utf8')).replace(/\r?\n$/, '');
    context.file(place);
    if (text !== '') return text;
    refuse(path, `the file ${file} is empty`);
  } catch (error) {
    refuse(path, `the file ${file} ${whyUnreadable(error)}`);
  }
  return undefined;
}

/** The reason why a file can't be read, as the end of a sentence. */
export function whyUnreadable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: 'does not exist',
    EACCES: 'may not be read',
    EISDIR: 'is a folder',
    ENOTDIR: 'does not exist',
  };
  return reasons[code ?? ''] ?? `can't be read: ${message}`;
}
