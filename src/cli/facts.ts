import { visible } from '../domain/visible.ts';

/** Names and values under each other, for people; what is null is left out. */
export function facts(all: readonly (readonly [string, string | null])[]): string {
  const width = Math.max(...all.map(([name]) => name.length));
  return all
    .flatMap(([name, value]) => (value === null ? [] : [`  ${name.padEnd(width)}  ${visible(value)}\n`]))
    .join('');
}
