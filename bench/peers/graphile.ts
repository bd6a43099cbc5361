/** graphile-worker as its documentation has it, in process, with nothing tuned. */

export type PeerOptions = { url: string; total: number };

type Utils = {
  migrate(): Promise<void>;
  addJob(name: string, payload: unknown): Promise<unknown>;
  addJobs(jobs: { identifier: string; payload: unknown }[]): Promise<unknown>;
  release(): Promise<void>;
};
type Logger = { error(text: string): void };
type Graphile = {
  makeWorkerUtils(options: object): Promise<Utils>;
  run(options: object): Promise<{ stop(): Promise<void> }>;
  Logger: new (make: () => (level: string, message: string) => void) => Logger;
};

const PER_CALL = 1000;
// The type is ours: without the package installed the rest of the project is still checked.
const packageName: string = 'graphile-worker';
export const graphile = async () => (await import(packageName)) as Graphile;

export const makeLogger = ({ Logger }: Graphile) =>
  new Logger(() => (level, message) => {
    if (level === 'error') console.error(`graphile-worker: ${message}`);
  });

export async function withUtils<T>(url: string, use: (utils: Utils) => Promise<T>): Promise<T> {
  const library = await graphile();
  const utils = await library.makeWorkerUtils({ connectionString: url, logger: makeLogger(library) });
  try {
    return await use(utils);
  } finally {
    await utils.release();
  }
}

export const payload = { text: 'x'.repeat(238) };

export const graphileSetUp = ({ url }: { url: string }): Promise<void> => withUtils(url, (utils) => utils.migrate());

export const graphileFill = ({ url, total }: PeerOptions): Promise<void> =>
  withUtils(url, async (utils) => {
    for (let left = total; left > 0; left -= PER_CALL) {
      const jobs = Array.from({ length: Math.min(left, PER_CALL) }, () => ({ identifier: 'bench', payload }));
      await utils.addJobs(jobs);
    }
  });

export const graphileCreate = ({ url, callers, seconds }: { url: string; callers: number; seconds: number }) =>
  withUtils(url, async (utils) => {
    const began = performance.now();
    let created = 0;
    const call = async () => {
      for (; performance.now() - began < seconds * 1000; created++) await utils.addJob('bench', payload);
    };
    await Promise.all(Array.from({ length: callers }, call));
    return { created, seconds: (performance.now() - began) / 1000 };
  });
