import { InvalidArgumentError } from 'commander';
import { CliError, EXIT } from './errors.ts';

/** Readers of options; what they refuse is an error of usage. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** Gathers an option that may be given several times. */
export const several = (text: string, before: readonly string[] = []): string[] => [...before, text];

/** Gathers `NAME=VALUE` pairs. */
export function pairs(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be NAME=VALUE.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** 0–10 as a number; the server knows the names. */
export const priorityArgument = (text: string): string | number => (/^\d+$/.test(text) ? Number(text) : text);

/** A path part of the API: whatever was typed can't leave its place. */
export const inPath = (text: string): string => {
  if (text === '' || text === '.' || text === '..') throw new CliError(`${text || 'nothing'} is not an id`, EXIT.usage);
  return encodeURIComponent(text);
};
