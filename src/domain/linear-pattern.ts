import { setFlagsFromString } from 'node:v8';

// Allows the flag `l`: expressions that V8 runs in time linear in the text, and refuses where it can't.
setFlagsFromString('--enable-experimental-regexp-engine');

const MAX_COMPILED = 1_000;
const compiled = new Map<string, RegExp | null>();

/**
 * An expression that is matched in linear time, whatever the text; null for one that can't be (it looks around or back,
 * or repeats too often), or that is none. Compiled ones are kept: the same few are asked for again and again.
 */
export function linearPattern(text: string): RegExp | null {
  const known = compiled.get(text);
  if (known !== undefined) return known;
  if (compiled.size >= MAX_COMPILED) compiled.clear();
  const pattern = compile(text);
  compiled.set(text, pattern);
  return pattern;
}

function compile(text: string): RegExp | null {
  try {
    return new RegExp(text, 'l');
  } catch {
    return null;
  }
}
