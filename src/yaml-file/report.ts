import type { YamlDocument } from './document.ts';
import type { Finding } from './issues.ts';
import { ConfigError, type Mistake, type Path, pathText } from './mistake.ts';
import type { Override } from './overrides.ts';

export type Speaker = 'file' | 'override' | 'default';

/** Gathers what is wrong, and says of each where it was said: in the file, by a variable or by a flag. */
export function createReport(name: string | null, document: YamlDocument, said: readonly Override[], prefix: string) {
  const mistakes: { mistake: Mistake; order: number }[] = [];
  const silenced: Path[] = [];
  const overrideOf = (path: Path) => said.findLast((one) => isWithin(path, one.path)) ?? null;

  function placed(path: Path, atKey: boolean): { where: string; order: number } {
    const override = overrideOf(path);
    if (override !== null) return { where: override.name, order: Number.MAX_SAFE_INTEGER };
    if (name === null) return { where: 'settings', order: Number.MAX_SAFE_INTEGER };
    const { line, column, offset } = document.place(path, atKey);
    return { where: `${name}:${line}:${column}`, order: offset };
  }

  function add(path: Path, message: string, atKey = false): void {
    if (silenced.some((silent) => isWithin(path, silent))) return;
    const { where, order } = placed(path, atKey);
    mistakes.push({ mistake: { where, path: pathText(path), message }, order });
  }

  return {
    add,
    /** A mistake after which nothing else is said about what stands at the path. */
    addOnly(path: Path, message: string): void {
      add(path, message);
      silenced.push(path);
    },
    /** A mistake in a variable that names no setting. */
    addOf(mistake: Mistake): void {
      mistakes.push({ mistake, order: Number.MAX_SAFE_INTEGER });
    },
    addFinding({ path, message, atKey, missing }: Finding): void {
      const hint = missing && name === null ? `; set ${prefix}${path.join('__').toUpperCase()}` : '';
      add(path, `${message}${hint}`, atKey);
    },
    saidBy(path: Path): Speaker {
      if (overrideOf(path) !== null) return 'override';
      return document.has(path) ? 'file' : 'default';
    },
    /** @throws {ConfigError} with all of them in the order of the file, if there are any */
    end(): void {
      if (mistakes.length === 0) return;
      throw new ConfigError(mistakes.toSorted((a, b) => a.order - b.order).map(({ mistake }) => mistake));
    },
  };
}

const isWithin = (path: Path, outer: Path): boolean => outer.every((key, index) => path[index] === key);
