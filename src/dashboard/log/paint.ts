import { visibleLines } from '../../domain/visible.ts';
import { classesOf, restyled, type Style } from './style.ts';

/** A run of text that is drawn alike; `classes` is empty for plain text. */
export type Span = { text: string; classes: string };

/** More changes of style in one line are no text for people. */
const MAX_SPANS = 500;

/*
 * What a terminal obeys: sequences that set the style, others that begin with CSI (move, erase), strings (titles,
 * links) up to their end, other escapes of two or three characters; and the carriage return, after which a line is
 * written anew.
 */
const OBEYED =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /\x1b\[([0-9;:]*)m|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?|(\r)/g;

/**
 * One line, without its end, as a terminal would leave it: colours as spans, everything else that a terminal obeys
 * taken out, what then is still hidden made visible. Answers also the style that the next line begins with.
 */
export function paint(line: string, style: Style): { spans: Span[]; style: Style } {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  let now = style;
  let spans: Span[] = [];
  let at = 0;
  const add = (to: number) => {
    const shown = visibleLines(text.slice(at, to));
    if (shown !== '') push(spans, { text: shown, classes: classesOf(now) });
  };
  for (const match of text.matchAll(OBEYED)) {
    add(match.index);
    at = match.index + match[0].length;
    if (match[1] !== undefined) now = restyled(now, match[1]);
    if (match[2] !== undefined) spans = [];
  }
  add(text.length);
  return { spans, style: now };
}

function push(spans: Span[], span: Span): void {
  const last = spans.at(-1);
  if (last && (last.classes === span.classes || spans.length >= MAX_SPANS)) last.text += span.text;
  else spans.push(span);
}
