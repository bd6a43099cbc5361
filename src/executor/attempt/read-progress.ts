import type { ProgressNote } from '../control-plane.ts';

const MAX_MESSAGE = 1000;

/** What the last line of a progress file says: a leading `NN%` is how far the command is, the rest is for people. */
export function readProgress(line: string): ProgressNote {
  const [, percent, rest = ''] = /^(\d{1,3}(?:\.\d{1,6})?)\s?%\s*(.*)$/s.exec(line) ?? [null, undefined, line];
  if (percent !== undefined && Number(percent) > 100) return { percent: null, message: shorten(line) };
  return { percent: percent === undefined ? null : Number(percent), message: shorten(rest) };
}

const shorten = (text: string): string | null => {
  const short = text.replaceAll('\0', ' ').trim().slice(0, MAX_MESSAGE).toWellFormed();
  return short === '' ? null : short;
};
