import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { parseYaml, type YamlDocument } from './yaml-file/document.ts';
import { validate } from './yaml-file/issues.ts';
import { ConfigError, type Path } from './yaml-file/mistake.ts';
import { type Environment, environmentOverrides, isPlainMap, type Override, withValue } from './yaml-file/overrides.ts';
import { createReport, type Speaker } from './yaml-file/report.ts';
import { settle, whyUnreadable } from './yaml-file/secrets.ts';

export { ConfigError, type Mistake, type Path } from './yaml-file/mistake.ts';
export type { Environment, Override } from './yaml-file/overrides.ts';
export type { SecretMark } from './yaml-file/schema-tree.ts';

export type YamlConfigOptions<T> = {
  /** The file to read; null: the environment and the flags are all there is. */
  path: string | null;
  /** What secrets are marked with: see {@link SecretMark}. */
  schema: z.ZodType<T>;
  env: Environment;
  /** Every key is also read from this + its path in capitals with `__` between levels: `TASKEJO_LEASES__SECONDS`. */
  envPrefix: string;
  /** Variables of other names, with the path of what they set. */
  envNames?: Readonly<Record<string, Path>>;
  /** What the command line says; it wins over environment and file. */
  flags?: readonly Override[];
  /**
   * Looks across the data for what a schema can't see. Called even when the schema found mistakes, so that all are
   * reported together: it must bear data of any shape.
   */
  check?: (data: unknown) => readonly { path: Path; message: string }[];
};

export type YamlConfig<T> = {
  value: T;
  /** Who gave the value at a path: the file, a variable or flag, or nobody. */
  saidBy: (path: Path) => Speaker;
  /** The files that secrets were read from. */
  secretFiles: readonly string[];
  /** Variables that begin like ours and set nothing, each with the reason. */
  strangeVariables: readonly string[];
};

/**
 * Reads a YAML file of settings, puts flags over environment over file, fetches the secrets and checks everything.
 * @throws {ConfigError} with every mistake, each with its file, line and column
 */
export async function readYamlConfig<T>(options: YamlConfigOptions<T>): Promise<YamlConfig<T>> {
  const { path, schema, env, envPrefix, check = () => [] } = options;
  const document = await readDocument(path);
  const { overrides, mistakes, strange } = environmentOverrides(schema, env, envPrefix, options.envNames ?? {});
  const said = [...overrides, ...(options.flags ?? [])];
  const report = createReport(path, document, said, envPrefix);
  for (const { name, ...mistake } of mistakes) report.addOf({ where: name, ...mistake });

  const plainSecrets: Path[] = [];
  const secretFiles: string[] = [];
  const data = await settle(merged(document.data ?? {}, said), [schema], [], {
    env,
    folder: dirname(resolve(path ?? '.')),
    refuse: report.addOnly,
    plain: (at) => plainSecrets.push(at),
    file: (place) => secretFiles.push(place),
  });
  const result = validate(schema, data);
  if ('findings' in result) result.findings.forEach(report.addFinding);
  for (const finding of check(data)) report.add(finding.path, finding.message);
  if (path !== null && (await isReadByOthers(path))) {
    for (const at of plainSecrets.filter((secret) => report.saidBy(secret) === 'file')) report.add(at, EXPOSED);
  }
  report.end();
  if ('findings' in result) throw new Error('a finding was not reported');
  const strangeVariables = strange.map(({ name, message }) => `${name} sets nothing: ${message}`);
  return { value: result.value, saidBy: report.saidBy, secretFiles, strangeVariables };
}

const EXPOSED = 'is a secret in a file that others may read: write {env: NAME} or {file: PATH}, or chmod 600 the file';

async function readDocument(path: string | null): Promise<YamlDocument> {
  const document = parseYaml(path === null ? '' : await readText(path));
  if (document.syntaxMistakes.length === 0) return document;
  throw new ConfigError(
    document.syntaxMistakes.map(({ place, message }) => ({
      where: `${path}:${place.line}:${place.column}`,
      path: '',
      message,
    })),
  );
}

async function readText(path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    const why = error instanceof TypeError ? 'is not UTF-8' : whyUnreadable(error);
    throw new ConfigError([{ where: path, path: '', message: `the file ${why}` }]);
  }
}

function merged(data: unknown, said: readonly Override[]): unknown {
  if (!isPlainMap(data)) return data;
  return said.reduce<unknown>((whole, one) => withValue(whole, one.path, one.value), data);
}

async function isReadByOthers(path: string): Promise<boolean> {
  return ((await stat(path)).mode & 0o077) !== 0;
}
