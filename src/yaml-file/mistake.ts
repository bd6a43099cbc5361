/** Where a value stands in the settings: `['hosts', 0, 'address']`. */
export type Path = readonly (string | number)[];

/** One thing that is wrong with the settings. `where` is `file:line:column`, or the variable or flag that said it. */
export type Mistake = { where: string; path: string; message: string };

/** All that is wrong with the settings, together; the message has a line for each mistake. Never holds a secret. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly mistakes: readonly Mistake[];
  constructor(mistakes: readonly Mistake[]) {
    super(mistakes.map(mistakeLine).join('\n'));
    this.mistakes = mistakes;
  }
}

const mistakeLine = ({ where, path, message }: Mistake): string =>
  path === '' ? `${where} ${message}` : `${where} ${path}: ${message}`;

/** `hosts[0].address` */
export const pathText = (path: Path): string =>
  path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('');

/** How many letters must be inserted, removed, changed or swapped with their neighbour to make one word the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min(change, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

/** Says that a key is unknown, and which known one was probably meant; all of them when none is near. */
export function unknownKey(key: string, known: readonly string[]): string {
  const said = `unknown key ${JSON.stringify(key)}`;
  if (known.length === 0) return said;
  const [nearest = ''] = known.toSorted((a, b) => distance(key, a) - distance(key, b));
  const near = distance(key, nearest) <= Math.max(1, Math.floor(Math.max(key.length, nearest.length) / 3));
  return near ? `${said}, did you mean ${nearest}?` : `${said}; known here: ${known.join(', ')}`;
}
