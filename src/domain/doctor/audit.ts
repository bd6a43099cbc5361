import { eventHash } from '../event.ts';

export type ExaminedAct = { day: string; n: number; text: string; hash: string };

/** What is wrong with an act in the chain of its day, given the one before it; null if nothing is. */
export function brokenAct(before: ExaminedAct | null, act: ExaminedAct): string | null {
  const previous = before?.day === act.day ? before : null;
  const which = `act ${act.n} of ${act.day}`;
  if (act.n !== (previous?.n ?? 0) + 1) return `what comes before ${which} is missing`;
  if (eventHash(previous?.hash ?? null, act.text) !== act.hash) return `the hash of ${which} does not match its text`;
  return agrees(act) ? null : `the columns of ${which} differ from its text`;
}

function agrees({ day, n, text }: ExaminedAct): boolean {
  try {
    const told = JSON.parse(text) as { day?: unknown; n?: unknown };
    return told.day === day && told.n === n;
  } catch {
    return false;
  }
}
