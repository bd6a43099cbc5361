/**
 * What the test file at hand has opened. Kept in a module of its own: files share a process, so that what other modules
 * do when they are loaded is done for the first of them alone.
 */
export const openDatabases = new Set<{ close(): Promise<void> }>();
