/** What a child process of the benchmark can be told to do, by name. Options and results travel as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: each job has options of its own, which `Job` finds again
export type Jobs = Record<string, (options: any) => Promise<unknown>>;
export type OptionsOf<J extends Jobs, K extends keyof J> = Parameters<J[K]>[0];
export type ResultOf<J extends Jobs, K extends keyof J> = Awaited<ReturnType<J[K]>>;

export type Order = { id: number; name: string; options: unknown };
export type Reply = { id: number; result?: unknown; error?: { message: string; missing: boolean } };

/** The server answered that it doesn't know this yet: the figure is left out, and comes alive by itself. */
export class NotAvailable extends Error {
  override name = 'NotAvailable';
}

/** Does what the parent orders until the parent is gone, in whatever way it went. */
export function serveJobs(jobs: Jobs): void {
  process.on('disconnect', () => process.exit(0));
  process.on('SIGINT', () => {}); // a terminal sends Ctrl-C to all of us; the parent ends this one
  process.on('message', (order: Order) => {
    void answer(jobs, order).then((reply) => process.send?.(reply));
  });
}

async function answer(jobs: Jobs, { id, name, options }: Order): Promise<Reply> {
  try {
    const job = jobs[name];
    if (job === undefined) throw new Error(`no job is called ${name}`);
    return { id, result: await job(options) };
  } catch (error) {
    const { message, stack } = error as Error;
    const missing = error instanceof NotAvailable;
    return { id, error: { message: missing ? message : (stack ?? message), missing } };
  }
}
