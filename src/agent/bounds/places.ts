import { join } from 'node:path';

/** What is an attempt's own on the machine, by the paths that its command is told. */
export type Places = {
  workspace: string;
  temporary: string;
  /** For its progress and its output; the command finds them empty. */
  files: readonly string[];
};

/** Where the wrapper keeps an attempt's own. */
export function placesOf(workDir: string, installationId: string, attemptId: string): Places {
  const run = join(workDir, installationId, `a.${attemptId}`, 'run');
  return {
    workspace: join(run, 'ws'),
    temporary: join(run, 'tmp'),
    files: [join(run, 'progress'), join(run, 'output')],
  };
}
