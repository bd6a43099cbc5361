import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import type { Path } from './mistake.ts';

/** Lines and columns count from 1. */
export type Place = { line: number; column: number; offset: number };

/** A parsed YAML text that remembers where everything stood. */
export type YamlDocument = {
  data: unknown;
  syntaxMistakes: readonly { place: Place; message: string }[];
  /** Of the value at the path, or of its key; of what surrounds it where there is no such thing. */
  place: (path: Path, atKey: boolean) => Place;
  has: (path: Path) => boolean;
};

/** Parses one YAML document. Keys given twice, unknown tags and a second document are mistakes. */
export function parseYaml(text: string): YamlDocument {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true });
  const placeOf = (offset: number): Place => {
    const { line, col: column } = lineCounter.linePos(offset);
    return { line, column, offset };
  };
  const problems = [...document.errors, ...document.warnings];
  return {
    data: problems.length === 0 ? document.toJS() : undefined,
    syntaxMistakes: problems.map(({ code, pos, message }) => ({
      place: placeOf(pos[0]),
      message: code === 'DUPLICATE_KEY' ? 'this key is given twice in the same map' : message,
    })),
    place: (path, atKey) => placeOf(offsetOf(path, atKey)),
    has: (path) => document.hasIn(path),
  };

  function offsetOf(path: Path, atKey: boolean): number {
    let node: unknown = document.contents;
    let offset = startOf(node) ?? 0;
    for (const [index, key] of path.entries()) {
      const pair = pairAt(node, key);
      const next = pair === null ? itemAt(node, key) : pair.value;
      if (pair === null && next === null) break;
      const wanted =
        pair !== null && ((atKey && index === path.length - 1) || startOf(next) === null) ? pair.key : next;
      offset = startOf(wanted) ?? offset;
      node = isAlias(next) ? next.resolve(document) : next;
    }
    return offset;
  }
}

const startOf = (node: unknown): number | null => (node as Node | null)?.range?.[0] ?? null;

function pairAt(node: unknown, key: string | number): Pair | null {
  if (!isMap(node)) return null;
  return node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(key)) ?? null;
}

const itemAt = (node: unknown, key: string | number): unknown =>
  isSeq(node) && typeof key === 'number' ? (node.items[key] ?? null) : null;
