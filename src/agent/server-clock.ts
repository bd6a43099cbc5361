/** The server's clock, as far as its answers tell: ours may be wrong by hours, and be put right at any moment. */
export type ServerClock = {
  nowMs(): number;
  /** Takes the `Date` of an answer, a refusal's too. */
  hear(date: string | null): void;
};

/** It has whole seconds. */
const HALF_A_SECOND_MS = 500;

export function createServerClock(ownNowMs: () => number): ServerClock {
  let aheadMs = 0;
  return {
    nowMs: () => ownNowMs() + aheadMs,
    hear(date) {
      const serverMs = Date.parse(date ?? '');
      if (!Number.isNaN(serverMs)) aheadMs = serverMs + HALF_A_SECOND_MS - ownNowMs();
    },
  };
}
