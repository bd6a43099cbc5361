import { statfs } from 'node:fs/promises';
import { cpus, freemem, loadavg, totalmem } from 'node:os';
import type { MachineMetrics } from '../../contract/agent.ts';
import { createGpuReader } from './gpus.ts';

export type MetricsDeps = {
  /** Whose disk it is about. */
  folder: string;
  /** Where `nvidia-smi` is looked for. */
  path: string;
  nowMs: () => number;
};

/** Reads how the machine does. The share of its processors is that since the reading before. */
export function createMetricsReader({ folder, path, nowMs }: MetricsDeps): () => Promise<MachineMetrics> {
  const readGpus = createGpuReader(path, nowMs);
  let before = processorTimes();
  return async () => {
    const now = processorTimes();
    const cpuPercent = busyPercent(before, now);
    before = now;
    const [disk, gpus] = await Promise.all([statfs(folder).catch(() => null), readGpus()]);
    const memory = totalmem();
    return {
      cpu_percent: cpuPercent,
      memory_used_bytes: memory - freemem(),
      memory_total_bytes: memory,
      disk_free_bytes: disk && disk.bavail * disk.bsize,
      disk_total_bytes: disk && disk.blocks * disk.bsize,
      load_1m: Math.round((loadavg()[0] ?? 0) * 100) / 100,
      ...(gpus === null ? {} : { gpus }),
    };
  };
}

export type ProcessorTimes = { busyMs: number; allMs: number };

function processorTimes(): ProcessorTimes {
  const times = cpus().map((one) => one.times);
  const sum = (values: number[]) => values.reduce((all, one) => all + one, 0);
  const allMs = sum(times.map(({ user, nice, sys, idle, irq }) => user + nice + sys + idle + irq));
  return { busyMs: allMs - sum(times.map(({ idle }) => idle)), allMs };
}

/** Of all processors together, with one digit; null where no time has passed. */
export function busyPercent(before: ProcessorTimes, now: ProcessorTimes): number | null {
  const passed = now.allMs - before.allMs;
  if (passed <= 0) return null;
  const share = (now.busyMs - before.busyMs) / passed;
  return Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10;
}
