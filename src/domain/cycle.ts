/** One of the tasks that depend on each other in a circle, or on themselves; null where there is none. */
export function findCycle(tasks: readonly { id: string; dependsOn: readonly string[] }[]): string | null {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const waiting = new Map(tasks.map(({ id, dependsOn }) => [id, dependsOn.filter((other) => byId.has(other)).length]));
  const dependants = Map.groupBy(
    tasks.flatMap(({ id, dependsOn }) => dependsOn.filter((other) => byId.has(other)).map((other) => ({ id, other }))),
    ({ other }) => other,
  );
  const free = [...waiting].flatMap(([id, count]) => (count === 0 ? [id] : []));
  for (let done = free.pop(); done !== undefined; done = free.pop()) {
    waiting.delete(done);
    for (const { id } of dependants.get(done) ?? []) {
      const left = (waiting.get(id) ?? 0) - 1;
      waiting.set(id, left);
      if (left === 0) free.push(id);
    }
  }
  return waiting.keys().next().value ?? null;
}
