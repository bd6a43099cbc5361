/** 0 done · 1 refused or failed · 2 the command line or the configuration is wrong · 3 the task didn't complete. */
export const EXIT = { failed: 1, usage: 2, notCompleted: 3 } as const;

/** Ends a command with one sentence for whoever typed it. */
export class CliError extends Error {
  override name = 'CliError';
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.failed, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
