import { readFileSync } from 'node:fs';
import type { Limits } from '../../domain/task.ts';
import { MachineError } from '../machine.ts';

const text = readFileSync(new URL('./limits.sh', import.meta.url), 'utf8');

const asked = ({ cpuPercent, memoryBytes, processes, fileSizeBytes }: Limits) => ({
  cpu: cpuPercent,
  memory: memoryBytes,
  processes,
  files: fileSizeBytes,
});

/** Whether a machine must keep limits. What a command costs is counted elsewhere. */
export const isBounded = (limits: Limits): boolean => Object.values(asked(limits)).some((value) => value !== null);

/** How the script that travels begins: it bounds what the command may use of the machine. */
export function beginScript(limits: Limits): string {
  if (!isBounded(limits)) return '';
  const values = Object.entries(asked(limits)).map(([name, value]) => `${name}=${amount(name, value)}`);
  return `${values.join(' ')}\n${text}`;
}

function amount(name: string, value: number | null): number {
  if (value === null) return 0;
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new MachineError('configuration', `the limit of ${name} is not a whole number above zero`);
}
