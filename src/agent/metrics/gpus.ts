import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { MachineMetrics } from '../../contract/agent.ts';
import { findProgram } from '../bounds/find-program.ts';

const run = promisify(execFile);

type Gpu = NonNullable<MachineMetrics['gpus']>[number];

const ANSWER_MS = 3_000;
/** One that hangs or fails is left alone for a while; so is a machine without one. */
const REST_MS = 60_000;

const MIB = 1024 * 1024;
const QUERY = 'index,name,utilization.gpu,memory.used,memory.total,temperature.gpu';

/** Asks `nvidia-smi` how the machine's GPUs do; null where it doesn't answer. */
export function createGpuReader(path: string, nowMs: () => number): () => Promise<Gpu[] | null> {
  let restUntil = 0;
  return async () => {
    if (nowMs() < restUntil) return null;
    const program = findProgram('nvidia-smi', path);
    if (program !== null) {
      const words = [`--query-gpu=${QUERY}`, '--format=csv,noheader,nounits'];
      const answer = await run(program, words, {
        timeout: ANSWER_MS,
        killSignal: 'SIGKILL',
        env: { PATH: path },
      }).catch(() => null);
      if (answer !== null) return gpusOf(answer.stdout);
    }
    restUntil = nowMs() + REST_MS;
    return null;
  };
}

/** Reads lines of figures; what a card doesn't know (`[N/A]`) is null. */
export function gpusOf(text: string): Gpu[] {
  return text.split('\n').flatMap((line) => {
    const [index = '', ...rest] = line.split(',').map((one) => one.trim());
    // A name may have commas in it, the figures have none.
    const [utilization, used, total, temperature] = rest.slice(-4).map(figure);
    if (!/^\d+$/.test(index) || rest.length < 5) return [];
    return [
      {
        index: Number(index),
        name: rest.slice(0, -4).join(', ').slice(0, 200),
        utilization_percent: utilization ?? null,
        memory_used_bytes: bytes(used),
        memory_total_bytes: bytes(total),
        temperature_celsius: temperature ?? null,
      },
    ];
  });
}

const figure = (text: string): number | null => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : null);
const bytes = (mebibytes: number | null | undefined): number | null => (mebibytes == null ? null : mebibytes * MIB);
