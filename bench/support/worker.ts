import type { Children, Start } from './children.ts';
import { type Jobs, NotAvailable, type OptionsOf, type Order, type Reply, type ResultOf } from './jobs.ts';

export type Worker<J extends Jobs> = AsyncDisposable & {
  pid: number;
  run<K extends keyof J & string>(name: K, options: OptionsOf<J, K>): Promise<ResultOf<J, K>>;
};

/** Starts a process that does jobs, apart from the one that tells the figures. */
export function startWorker<J extends Jobs>(children: Children, file: string, env: Start['env'] = {}): Worker<J> {
  const child = children.start(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env,
  });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let orders = 0;
  child.on('message', ({ id, result, error }: Reply) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve(result);
    else asked?.reject(error.missing ? new NotAvailable(error.message) : new Error(error.message));
  });
  child.once('exit', (code, signal) => {
    for (const asked of waiting.values()) asked.reject(new Error(`${file} ended (${signal ?? code})`));
  });
  return {
    pid: child.pid ?? 0,
    run(name, options) {
      const asked = Promise.withResolvers<unknown>();
      const order: Order = { id: ++orders, name, options };
      waiting.set(order.id, asked);
      child.send(order);
      return asked.promise as Promise<ResultOf<J, typeof name>>;
    },
    [Symbol.asyncDispose]: () => children.end(child),
  };
}
