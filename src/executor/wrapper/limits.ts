import { readFileSync } from 'node:fs';
import type { Limits } from '../../domain/task.ts';
import { MachineError } from '../machine.ts';

const text = readFileSync(new URL('./limits.sh', import.meta.url), 'utf8');

/**
 * How the script that travels begins: it removes itself and bounds what the command may use of the machine. What a
 * command costs is counted elsewhere.
 */
export function beginScript({ cpuPercent, memoryBytes, processes, fileSizeBytes }: Limits): string {
  const asked = { cpu: cpuPercent, memory: memoryBytes, processes, files: fileSizeBytes };
  const values = Object.entries(asked).map(([name, value]) => `${name}=${amount(name, value)}`);
  return Object.values(asked).every((value) => value === null)
    ? 'rm -f ../script ../input\n'
    : `${values.join(' ')}\n${text}`;
}

function amount(name: string, value: number | null): number {
  if (value === null) return 0;
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new MachineError('configuration', `the limit of ${name} is not a whole number above zero`);
}
