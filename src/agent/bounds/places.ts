import { join } from 'node:path';

/** What is an attempt's own on the machine, by the paths that its command is told. */
export type Places = {
  workspace: string;
  temporary: string;
  /** For its progress and its output; the command finds them empty. */
  files: readonly string[];
};

/** Where the wrapper keeps all of an attempt. */
export const attemptFolder = (workDir: string, installationId: string, attemptId: string): string =>
  join(workDir, installationId, `a.${attemptId}`);

export function placesOf(workDir: string, installationId: string, attemptId: string): Places {
  const run = join(attemptFolder(workDir, installationId, attemptId), 'run');
  return {
    workspace: join(run, 'ws'),
    temporary: join(run, 'tmp'),
    files: [join(run, 'progress'), join(run, 'output')],
  };
}
