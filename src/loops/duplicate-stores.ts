/** Finds entries of the configuration that lead to one control folder. The first in the order of the file has it. */
export function createDuplicates<H extends { id: string }>(hosts: readonly H[]) {
  const stores = new Map<string, string>();
  return {
    /** What a host answered. `first`: whose the folder is, null if it is its own; `others`: those that stand behind it. */
    note(host: H, storeId: string): { first: H | null; others: H[] } {
      stores.set(host.id, storeId);
      const same = hosts.filter(({ id }) => stores.get(id) === storeId);
      const first = same[0] ?? host;
      return first.id === host.id ? { first: null, others: same.slice(1) } : { first, others: [] };
    },
  };
}
