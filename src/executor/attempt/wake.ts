/** A wait that somebody else can cut short; a nudge that comes while nobody waits counts for the next wait. */
export type Wake = {
  nudge(): void;
  /** Resolves after `ms` or a nudge; one wait at a time. @throws the signal's reason when it is aborted */
  wait(ms: number, signal: AbortSignal): Promise<void>;
};

export function createWake(): Wake {
  let nudged = false;
  let endWait = () => {};
  return {
    nudge() {
      nudged = true;
      endWait();
    },
    async wait(ms, signal) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, nudged ? 0 : ms);
      endWait = resolve;
      signal.addEventListener('abort', endWait);
      await promise;
      clearTimeout(timer);
      signal.removeEventListener('abort', endWait);
      endWait = () => {};
      nudged = false;
      signal.throwIfAborted();
    },
  };
}
