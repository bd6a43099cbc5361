import module from 'node:module';

/** Tells that it was done, so that it isn't done for ever where compiled code can't be kept after all. */
const DONE = 'TASKEJO_BEGUN_ANEW';
const STRIPS_TYPES = 'NativeModule internal/deps/amaro/dist/index';

/**
 * A start that found no compiled code has made it, and holds what that took for as long as it lives: some 30 MB. So it
 * keeps the code and begins anew in its own place, with nothing done yet. What the launcher's Node waits for would be lost.
 */
export function beginAnew(env: Readonly<Record<string, string | undefined>>): void {
  const { moduleLoadList = [] } = process as { moduleLoadList?: readonly string[] };
  const isNeeded = moduleLoadList.includes(STRIPS_TYPES) && module.getCompileCacheDir() !== undefined;
  if (!isNeeded || env[DONE] !== undefined || process.channel || process.execve === undefined) return;
  module.flushCompileCache();
  const [program, ...words] = process.argv;
  process.execve(program ?? '', [program ?? '', ...process.execArgv, ...words], { ...process.env, [DONE]: '1' });
}
