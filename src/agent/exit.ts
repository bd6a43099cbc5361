/** 0 stopped · 1 stopped by force · 2 configuration or store refused · 3 another instance. */
export const EXIT = { stopped: 0, forced: 1, refused: 2, another: 3 } as const;

/** The agent can't go on; said in one sentence for whoever runs it. */
export class AgentError extends Error {
  override name = 'AgentError';
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.refused, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
