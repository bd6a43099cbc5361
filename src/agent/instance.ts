import { hash, randomUUID } from 'node:crypto';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import type { AgentStore } from './store.ts';

/**
 * Which of all processes with this identity we are: `store-id/start-number/nonce`, as the server compares them. A copy of
 * the folder, here or on another machine, is another store; a start on the same one is a later start of it.
 */
export function instanceOf({ id, startNumber }: Pick<AgentStore, 'id' | 'startNumber'>, stateDir: string): string {
  const place = [machineId(), realpathSync(stateDir), statSync(stateDir).ino];
  const store = hash('sha256', JSON.stringify([id, ...place])).slice(0, 32);
  return `${store}/${startNumber}/${randomUUID()}`;
}

/** What tells two machines apart that were copied from one disk, as far as there is such a thing. */
function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim();
  } catch {
    return '';
  }
}
