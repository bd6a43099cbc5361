import type { Deps } from '../../src/usecases/deps.ts';
import { createDequeues, type Dequeues, type DequeueWish, type Taken } from '../../src/usecases/dequeue/dequeue.ts';

const opened = new WeakMap<Deps, Dequeues>();

/** A dequeue by an agent on the replica that these deps are of; given up when the signal fires. */
export function dequeue(deps: Deps, agentId: string, wish: DequeueWish, signal: AbortSignal): Promise<Taken[]> {
  const dequeues = opened.get(deps) ?? createDequeues(deps);
  opened.set(deps, dequeues);
  const call = dequeues.dequeue(agentId, wish);
  signal.addEventListener('abort', call.cancel, { once: true });
  return call.answer;
}
