/** Deliveries to a forge's address whose signature was wrong: of each forge and hour only how many. */
export type RefusedDeliveries = {
  note(forge: string): void;
  /** Since the beginning of the hour before this one, by forge. */
  lately(): { forge: string; deliveries: number }[];
};

const HOUR_MS = 3_600_000;

/** What this process has refused. The names are those of the configuration, so there are few. */
export function createRefusedDeliveries(epochMs: () => number): RefusedDeliveries {
  const byForge = new Map<string, { hour: number; now: number; before: number }>();
  const counted = (forge: string) => {
    const hour = Math.floor(epochMs() / HOUR_MS);
    const known = byForge.get(forge) ?? { hour, now: 0, before: 0 };
    if (known.hour === hour) return known;
    return { hour, now: 0, before: known.hour === hour - 1 ? known.now : 0 };
  };
  return {
    note(forge) {
      const known = counted(forge);
      byForge.set(forge, { ...known, now: known.now + 1 });
    },
    lately() {
      const all = [...byForge.keys()].map((forge) => ({
        forge,
        deliveries: counted(forge).now + counted(forge).before,
      }));
      return all.filter(({ deliveries }) => deliveries > 0);
    },
  };
}
