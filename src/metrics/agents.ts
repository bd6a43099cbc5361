import { Gauge, type Registry } from 'prom-client';
import type { MachineFigures } from '../domain/agent.ts';

const HELP = {
  cpu_percent: 'Share of its processors that is busy',
  memory_used_bytes: 'Memory in use on its machine',
  memory_total_bytes: 'Memory of its machine',
  disk_free_bytes: 'Free space where its commands work',
  disk_total_bytes: 'Space where its commands work',
  load_1m: 'Load of its machine over a minute',
} as const;
const GPU_HELP = {
  utilization_percent: 'How busy the GPU is',
  memory_used_bytes: 'Memory of the GPU in use',
  memory_total_bytes: 'Memory of the GPU',
  temperature_celsius: 'Temperature of the GPU',
} as const;

/** What the agents that are online say of their machines; answers how to show what was read. */
export function registerMachines(registry: Registry): (machines: readonly MachineFigures[]) => void {
  const registers = [registry];
  const gauges = (prefix: string, help: Record<string, string>, labelNames: string[]) =>
    Object.entries(help).map(([name, text]) => {
      return { name, gauge: new Gauge({ name: `taskejo_agent_${prefix}${name}`, help: text, labelNames, registers }) };
    });
  const ofMachine = gauges('', HELP, ['agent']);
  const ofGpu = gauges('gpu_', GPU_HELP, ['agent', 'gpu']);
  return (machines) => {
    for (const { gauge } of [...ofMachine, ...ofGpu]) gauge.reset();
    for (const { name: agent, metrics } of machines) {
      show(ofMachine, { agent }, metrics);
      for (const gpu of gpusOf(metrics)) show(ofGpu, { agent, gpu: String(gpu.index) }, gpu);
    }
  };
}

type Said = Readonly<Record<string, unknown>>;

function show(gauges: { name: string; gauge: Gauge }[], labels: Record<string, string>, said: Said): void {
  for (const { name, gauge } of gauges) {
    const value = said[name];
    if (typeof value === 'number') gauge.set(labels, value);
  }
}

const gpusOf = ({ gpus }: Said): Said[] => (Array.isArray(gpus) ? gpus.filter((one) => typeof one === 'object') : []);
