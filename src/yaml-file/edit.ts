import { isDeepStrictEqual } from 'node:util';
import { Document, isMap, isNode, isSeq, type Node, parseDocument, stringify, type YAMLSeq } from 'yaml';

/*
 * Changes of a list in a YAML text, for a file that people write. All that isn't changed stays as it is, to the byte,
 * where the list is written in lines; a list in brackets is written anew, with its comments.
 */

/** The text with one item more at the end of a list. The list need not be there yet. */
export function withItem(text: string, key: string, item: object): string {
  const expected = { ...dataOf(text), [key]: [...listOf(text, key), item] };
  return firstThatSays(expected, [
    () => appended(text, key, item),
    () => rewritten(text, (document) => document.setIn([key], document.createNode(expected[key]))),
  ]);
}

/** The text without one item of a list. */
export function withoutItem(text: string, key: string, index: number): string {
  const expected = { ...dataOf(text), [key]: listOf(text, key).toSpliced(index, 1) };
  return firstThatSays(expected, [
    () => cut(text, key, index),
    () => rewritten(text, (document) => document.deleteIn([key, index])),
  ]);
}

/** Which item of a list has this id; -1: none, also where there is no such list. */
export function indexOfId(text: string, key: string, id: string): number {
  const items = dataOf(text)[key];
  return Array.isArray(items) ? items.findIndex((item: { id?: unknown } | null) => item?.id === id) : -1;
}

type Data = Record<string, unknown>;
const dataOf = (text: string): Data => (parseDocument(text).toJS() as Data | null) ?? {};

function listOf(text: string, key: string): unknown[] {
  const list = dataOf(text)[key] ?? [];
  if (!Array.isArray(list)) throw new Error(`${key} is not a list`);
  return list;
}

/** Places in a text are easily taken for others, so what was made is read again. */
function firstThatSays(expected: Data, ways: readonly (() => string | null)[]): string {
  for (const way of ways) {
    const made = way();
    if (made !== null && parseDocument(made).errors.length === 0 && isDeepStrictEqual(dataOf(made), expected))
      return made;
  }
  throw new Error('the file is written in a way that this program can not change');
}

const STYLE = { lineWidth: 0, flowCollectionPadding: false } as const;

/** Short maps and lists of an item stand in one line, as people write them. */
function itemText(item: object, indent: string): string {
  const document = new Document([item]);
  const [entry] = (document.contents as YAMLSeq<Node>).items;
  if (isMap(entry)) for (const { value } of entry.items) if (isMap(value) || isSeq(value)) value.flow = true;
  return stringify(document, STYLE).trimEnd().replaceAll(/^/gm, indent);
}

function rewritten(text: string, change: (document: Document.Parsed) => void): string {
  const document = parseDocument(text);
  change(document);
  return document.toString(STYLE);
}

const lineStart = (text: string, offset: number): number => text.lastIndexOf('\n', offset - 1) + 1;
/** Where the line ends in which the offset stands; its line break is left out. */
const lineEnd = (text: string, offset: number): number => {
  const at = text.indexOf('\n', offset);
  return at < 0 ? text.length : at;
};
const indentAt = (text: string, offset: number): string => /^ */.exec(text.slice(lineStart(text, offset)))?.[0] ?? '';

function appended(text: string, key: string, item: object): string | null {
  const list = parseDocument(text).get(key, true);
  if (list === undefined)
    return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${key}:\n${itemText(item, '  ')}\n`;
  if (!isNode(list) || !list.range) return null;
  const [from, to] = list.range;
  const isEmpty = !isSeq(list) || list.items.length === 0;
  if (isEmpty) return `${text.slice(0, from).trimEnd()}\n${itemText(item, '  ')}${text.slice(to)}`;
  if (list.flow) return null;
  const last = rangeOf(list, list.items.length - 1);
  if (last === null) return null;
  const end = lineEnd(text, last[1]);
  return `${text.slice(0, end)}\n${itemText(item, indentAt(text, from))}${text.slice(end)}`;
}

function cut(text: string, key: string, index: number): string | null {
  const list = parseDocument(text).get(key, true);
  if (!isSeq(list) || list.flow || !list.range) return null;
  const range = rangeOf(list, index);
  if (range === null) return null;
  const end = lineEnd(text, range[1]);
  if (list.items.length > 1) return text.slice(0, lineStart(text, range[0])) + text.slice(end + 1);
  return `${text.slice(0, list.range[0]).trimEnd()} []${text.slice(end)}`;
}

/** Where an item stands, up to its last letter. */
function rangeOf(list: YAMLSeq, index: number): [number, number] | null {
  const item = list.items[index];
  const range = isNode(item) ? item.range : null;
  return range ? [range[0], Math.max(range[0], range[1] - 1)] : null;
}
