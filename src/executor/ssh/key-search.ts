import { MachineError } from '../machine.ts';
import { fingerprint, keyType, type PinnedHostKeys } from './host-key.ts';

/** The host showed a key that isn't pinned; nothing was sent to it. */
export class WrongKey extends MachineError {
  readonly shown: string;
  constructor(shown: Buffer, pinned: PinnedHostKeys) {
    super('host_key', `the host showed ${keyType(shown)} ${fingerprint(shown)}, pinned is ${pinned.text}`);
    this.shown = keyType(shown);
  }
}

/** The host can't show a key of the types asked for. */
export class NoSuchKey extends MachineError {
  constructor(types: readonly string[]) {
    super('host_key', `the host has no key of a pinned type (${types.join(', ')})`);
  }
}

/** The host began to speak and hung up before we were in. */
export class HungUp extends MachineError {
  constructor({ message, cause }: Error) {
    super('unreachable', message, { cause });
  }
}

export type KeySearch = {
  /** The types of key that the host is asked for next. */
  asked(): readonly string[];
  /** What came of that. @throws what is to be said of the host, where nothing is left to ask for */
  goOn(error: unknown): void;
};

/**
 * Finds the key of which only the fingerprint is known, type by type. Some servers offer types that they have no key of,
 * and hang up when one is asked for; so does a link that breaks. Which of the two it was shows when the host is asked
 * once more, first for the key that it did show, then for the types at which it hung up: a link that breaks must not
 * look like another machine in the host's place.
 */
export function createKeySearch({ types, typeUnknown }: PinnedHostKeys): KeySearch {
  let asked = types;
  let untried = [...types];
  let wrong: WrongKey | null = null;
  let pass: 'first' | 'link' | 'again' = 'first';
  const hungUpAt: string[] = [];

  /** The type that is out of the question by now. */
  const excluded = (error: unknown): string | undefined => {
    if (error instanceof WrongKey) {
      wrong = error;
      return error.shown;
    }
    if (error instanceof NoSuchKey) return asked[0];
    if (!(error instanceof HungUp) || wrong === null || pass === 'link') throw error;
    if (asked[0] !== undefined) hungUpAt.push(asked[0]);
    return asked[0];
  };

  return {
    asked: () => asked,
    goOn(error) {
      if (!typeUnknown) throw error;
      const gone = excluded(error);
      untried = untried.filter((type) => type !== gone);
      if (pass === 'first' && untried.length === 0 && hungUpAt.length > 0 && wrong !== null) {
        pass = 'link';
        untried = [...hungUpAt];
        asked = [wrong.shown];
        return;
      }
      if (pass === 'link') pass = 'again';
      asked = untried.slice(0, 1);
      if (asked.length === 0) throw wrong ?? error;
    },
  };
}
