import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { graphile, makeLogger, type PeerOptions, payload, withUtils } from './graphile.ts';

export type PeerDrained = { seconds: number; cpuSeconds: number };

const CONCURRENT = 24;

async function runWorkers(url: string, job: () => Promise<void>, events = new EventEmitter()) {
  const library = await graphile();
  return library.run({
    connectionString: url,
    concurrency: CONCURRENT,
    noHandleSignals: true,
    taskList: { bench: job },
    events,
    logger: makeLogger(library),
  });
}

/** From the first job's start to the last one's completion in the database. */
export async function graphileDrain({ url, total }: PeerOptions): Promise<PeerDrained> {
  const events = new EventEmitter();
  const drained = Promise.withResolvers<PeerDrained>();
  let began = 0;
  let cpu = process.cpuUsage();
  let done = 0;
  events.once('job:start', () => {
    began = performance.now();
    cpu = process.cpuUsage();
  });
  events.on('job:complete', () => {
    if (++done < total) return;
    const { user, system } = process.cpuUsage(cpu);
    drained.resolve({ seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6 });
  });
  const runner = await runWorkers(url, async () => {}, events);
  const result = await drained.promise;
  await runner.stop();
  return result;
}

/** Milliseconds from adding a job to its start, one at a time, with workers that wait. */
export const graphileLatency = ({ url, samples, gapMs }: { url: string; samples: number; gapMs: number }) =>
  withUtils(url, async (utils) => {
    let started = (_atMs: number) => {};
    const runner = await runWorkers(url, async () => started(performance.now()));
    const times: number[] = [];
    for (let n = 0; n < samples; n++) {
      await delay(gapMs);
      const start = new Promise<number>((resolve) => {
        started = resolve;
      });
      const added = performance.now();
      await utils.addJob('bench', payload);
      times.push((await start) - added);
    }
    await runner.stop();
    return times;
  });
