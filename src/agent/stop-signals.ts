/** What a person or a service manager asks by signals: the first to stop, the second to stop by force. */
export type StopSignals = {
  stop: AbortSignal;
  force: AbortSignal;
  /** From here on a signal does what it does to any program. */
  release(): void;
  /** Hears signals again. */
  listen(): void;
};

const NAMES = ['SIGTERM', 'SIGINT'] as const;
/** npm passes a terminal's Ctrl-C on, so that one keystroke comes twice. */
const SAME_KEYSTROKE_MS = 1_000;

export function stopSignals(process: NodeJS.Process): StopSignals {
  const stop = new AbortController();
  const force = new AbortController();
  let toldAt = Number.POSITIVE_INFINITY;
  const onSignal = (signal: NodeJS.Signals) => {
    const sameKeystroke = signal === 'SIGINT' && performance.now() - toldAt < SAME_KEYSTROKE_MS;
    if (stop.signal.aborted && !sameKeystroke) force.abort();
    toldAt = Math.min(toldAt, performance.now());
    stop.abort();
  };
  const listen = () => {
    for (const name of NAMES) process.on(name, onSignal);
  };
  listen();
  return {
    stop: stop.signal,
    force: force.signal,
    listen,
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
