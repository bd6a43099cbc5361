/** A word after a slash at the beginning of a comment, and the rest of that line. */
export type Command = { name: string; rest: string };
export type RunCommand = { template: string | null; words: string };

const COMMAND = /^ {0,3}\/([a-z][a-z0-9-]*)(?:\s(.*))?$/s;

/** The command that a comment begins with: its first line outside code and quotes; null if that is something else. */
export function parseCommand(comment: string): Command | null {
  const match = COMMAND.exec(firstLine(comment) ?? '');
  return match?.[1] === undefined ? null : { name: match[1], rest: (match[2] ?? '').trim() };
}

/** What stands after `/run`: the name of a template if the first word is one, then words for the command. */
export function parseRun(rest: string, templateNames: readonly string[]): RunCommand {
  const [first = ''] = rest.split(/\s/, 1);
  return templateNames.includes(first)
    ? { template: first, words: rest.slice(first.length).trim() }
    : { template: null, words: rest };
}

type Fence = { mark: string; length: number };
/** `paragraph`: text stands in the quote, so that a line right after it without `>` still belongs to the quote. */
type Scan = { fence: Fence | null; quote: { fence: Fence | null; paragraph: boolean } | null };

/**
 * The first line of a Markdown text that is neither blank nor within code or a quote, as it stands; null if none is.
 * Where Markdown is subtle a line counts as quoted: what others said must never be taken for a command.
 */
export function firstLine(text: string): string | null {
  let scan: Scan = { fence: null, quote: null };
  for (const line of text.split(/\r\n|\n|\r/)) {
    const next = step(line, scan);
    if (next === null) return line;
    scan = next;
  }
  return null;
}

/** What is known after this line, or null when it is the one that was looked for. */
function step(line: string, scan: Scan): Scan | null {
  if (scan.fence !== null) return closes(line, scan.fence) ? { fence: null, quote: null } : scan;
  if (line.trim() === '') return { fence: null, quote: null };
  const quoted = QUOTE_MARKS.exec(line);
  if (quoted !== null) return { fence: null, quote: inQuote(line.slice(quoted[0].length), scan.quote) };
  const fence = opens(line);
  if (fence !== null) return { fence, quote: null };
  if (scan.quote?.paragraph === true) return scan;
  return isIndentedCode(line) ? { fence: null, quote: null } : null;
}

const QUOTE_MARKS = /^(?: {0,3}> ?)+/;
const HEADING = /^ {0,3}#{1,6}(?:\s|$)/;
const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/s;

function inQuote(content: string, before: Scan['quote']): NonNullable<Scan['quote']> {
  const fence = before?.fence ?? null;
  if (fence !== null) return { fence: closes(content, fence) ? null : fence, paragraph: false };
  const opened = opens(content);
  if (opened !== null) return { fence: opened, paragraph: false };
  const paragraph = before?.paragraph === true;
  const isText = content.trim() !== '' && !HEADING.test(content) && (paragraph || !isIndentedCode(content));
  return { fence: null, paragraph: isText };
}

/** After three back-ticks no other may stand in the line, else it is code within a paragraph. */
function opens(line: string): Fence | null {
  const [, marks = '', info = ''] = FENCE.exec(line) ?? [];
  const mark = marks.charAt(0);
  return mark === '' || (mark === '`' && info.includes('`')) ? null : { mark, length: marks.length };
}

function closes(line: string, fence: Fence): boolean {
  const [, marks = '', rest = ''] = FENCE.exec(line) ?? [];
  return marks.charAt(0) === fence.mark && marks.length >= fence.length && rest.trim() === '';
}

/** Four columns of white space; a tab reaches to the next multiple of four. */
const isIndentedCode = (line: string): boolean => /^(?: {4}| {0,3}\t)/.test(line);
