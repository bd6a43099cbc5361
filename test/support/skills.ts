import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const skillsFolder = fileURLToPath(new URL('../../skills', import.meta.url));
export const skillNames: readonly string[] = readdirSync(skillsFolder).sort();

/** A fenced block of a skill. */
export type Block = {
  /** Where it begins, as `SKILL.md:12`. */
  place: string;
  language: string;
  text: string;
  /** Why it isn't run, or null. */
  skip: string | null;
  /** The HTTP status of the error that it shows, or null. */
  expect: number | null;
};

export type Skill = {
  name: string;
  frontMatter: ReadonlyMap<string, string>;
  /** Its Markdown by file name: SKILL.md, then what it refers to. */
  files: ReadonlyMap<string, string>;
  blocks: readonly Block[];
};

/** Reads `SKILL.md` and the files of `references/` in the order in which their blocks are run. */
export function readSkill(name: string): Skill {
  const folder = join(skillsFolder, name);
  const references = readdirSync(folder).includes('references') ? readdirSync(join(folder, 'references')).sort() : [];
  const names = ['SKILL.md', ...references.map((file) => `references/${file}`)];
  const files = new Map(names.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
  return {
    name,
    frontMatter: frontMatterOf(files.get('SKILL.md') ?? ''),
    files,
    blocks: names.flatMap((file) => blocksOf(file, files.get(file) ?? '')),
  };
}

/** The top-level keys between the two lines of dashes. A value in quotes is JSON; of a map it is the empty text. */
function frontMatterOf(markdown: string): ReadonlyMap<string, string> {
  const text = /^---\n(.*?)\n---\n/s.exec(markdown)?.[1] ?? '';
  const lines = text.split('\n').filter((line) => !line.startsWith(' '));
  return new Map(
    lines.map((line) => {
      const [, key = line, value = ''] = /^([a-z-]+): ?(.*)$/.exec(line) ?? [];
      return [key, value.startsWith('"') ? (JSON.parse(value) as string) : value];
    }),
  );
}

const FENCE = /(?:<!-- skill-test: (?<mark>.*?) -->\n)?^```(?<language>\S*)\n(?<text>.*?)^```$/gms;

function blocksOf(file: string, markdown: string): Block[] {
  return [...markdown.matchAll(FENCE)].map(({ index, groups = {} }) => {
    const { mark = '', language = '', text = '' } = groups;
    const [, skip = null] = /^skip (.+)$/.exec(mark) ?? [];
    const [, expected = null] = /^expect ([45]\d\d)$/.exec(mark) ?? [];
    if (mark !== '' && skip === null && expected === null) throw new Error(`${file}: what does "${mark}" mean?`);
    const line = markdown.slice(0, index).split('\n').length;
    return { place: `${file}:${line}`, language, text, skip, expect: expected === null ? null : Number(expected) };
  });
}
