import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

/** One import: `file` and, for one of our own, `target` are relative to the root of the sources, `/` between folders. */
export type Import = { file: string; target: string; own: boolean; typeOnly: boolean };

const imported = /^[ \t]*import\s+(?<type>type\s+)?(?:[\w*$\s,{}]+?\s+from\s+)?'(?<target>[^']+)'/gm;
const exported = /^[ \t]*export\s+(?<type>type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+'(?<target>[^']+)'/gm;
const dynamic = /\bimport\(\s*(?:'(?<target>[^']+)')?/g;

/** All TypeScript files below a folder, sorted, relative to it. */
export function sourceFiles(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.split(sep).join('/'))
    .sort();
}

/** Every import of a file: of values and types, re-exports, and dynamic ones, whose target may be unknown (empty). */
export function importsOf(root: string, file: string): Import[] {
  return parseImports(readFileSync(join(root, file), 'utf8')).map(({ target, typeOnly }) => {
    const own = target.startsWith('.');
    const path = own
      ? relative(root, resolve(root, dirname(file), target))
          .split(sep)
          .join('/')
      : target;
    return { file, target: path, own, typeOnly };
  });
}

export function parseImports(text: string): { target: string; typeOnly: boolean }[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  return [imported, exported, dynamic].flatMap((pattern) =>
    [...code.matchAll(pattern)].map(({ groups }) => ({
      target: groups?.target ?? '',
      typeOnly: groups?.type !== undefined,
    })),
  );
}
