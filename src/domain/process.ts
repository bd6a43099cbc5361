/** Identity of a process that survives pid reuse: `startedAt` is the machine's own word, compared for equality only. */
export type ProcessIdentity = { pid: number; startedAt: string; bootId: string };
