/** What a body is checked by; a schema of the contract is one, too. */
export type Check<T> = {
  safeParse(body: unknown): { success: true; data: T } | { success: false; error: { issues: readonly Issue[] } };
};
export type Issue = { path: readonly PropertyKey[]; message: string };

type Is<T> = (value: unknown) => value is T;

export const isText: Is<string> = (value) => typeof value === 'string';
export const isFlag: Is<boolean> = (value) => typeof value === 'boolean';
export const isWhole: Is<number> = (value): value is number => Number.isSafeInteger(value);
export const isWholeOrMissing: Is<number | undefined> = (value) => value === undefined || isWhole(value);

/**
 * Checks the few fields that an agent at rest reads of an answer: the schemas would be 5 MB that it holds for days. Names
 * and types are the contract's, and the compiler sees to it.
 */
export const fields = <T extends object>(kinds: { [Name in keyof T]-?: Is<T[Name]> }): Check<T> => ({
  safeParse(body) {
    const given = (typeof body === 'object' && body !== null ? body : {}) as T;
    const names = Object.keys(kinds) as (keyof T)[];
    const wrong = names.filter((name) => !kinds[name](given[name]));
    if (wrong.length > 0) {
      return {
        success: false,
        error: { issues: wrong.map((name) => ({ path: [name], message: 'is not as expected' })) },
      };
    }
    return { success: true, data: given };
  },
});
