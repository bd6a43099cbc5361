/** What a person or a service manager asks by signals: the first to stop, the second to stop by force. */
export type StopSignals = {
  stop: AbortSignal;
  force: AbortSignal;
  release(): void;
};

const NAMES = ['SIGTERM', 'SIGINT'] as const;

export function stopSignals(process: NodeJS.Process): StopSignals {
  const stop = new AbortController();
  const force = new AbortController();
  const onSignal = () => (stop.signal.aborted ? force : stop).abort();
  for (const name of NAMES) process.on(name, onSignal);
  return {
    stop: stop.signal,
    force: force.signal,
    release() {
      for (const name of NAMES) process.off(name, onSignal);
    },
  };
}

/** Resolves when the signal is aborted. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
