/** What this folder needs of a logger; the program's own one fits. */
export type StoreLog = Record<
  'debug' | 'info' | 'warn' | 'error',
  (fields: Record<string, unknown>, message: string) => void
>;

export const noLog: StoreLog = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
