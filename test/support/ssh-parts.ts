import { afterEach } from 'vitest';
import { MachineError } from '../../src/executor/machine.ts';
import type { SshHost } from '../../src/executor/ssh/host.ts';
import { startSpec } from '../suites/machine-suite.ts';
import { descendants } from './proc.ts';
import { type Sshd, type SshdOptions, startSshd } from './sshd.ts';
import { waitFor } from './wait-for.ts';

/** The sshds and hosts of each test of a file, gone after it. */
export function sshParts() {
  const running: Sshd[] = [];
  const hosts: SshHost[] = [];
  const closeHosts = () => {
    for (const host of hosts.splice(0)) host.close();
  };
  afterEach(async () => {
    closeHosts();
    for (const sshd of running.splice(0)) await sshd.stop();
  });
  return {
    async sshdWith(options: SshdOptions = {}): Promise<Sshd> {
      const sshd = await startSshd(options);
      running.push(sshd);
      return sshd;
    },
    /** Closes it at the end of the test. */
    kept(host: SshHost): SshHost {
      hosts.push(host);
      return host;
    },
    closeHosts,
  };
}

/** Why something that was asked of a machine failed; `none` if it did not. */
export async function kindOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'none';
  } catch (error) {
    if (error instanceof MachineError) return error.kind;
    throw error;
  }
}

/** How many connections a sshd serves. */
export const connections = (sshd: Sshd): number =>
  descendants(sshd.pid).filter((one) => one.arguments.includes('@notty')).length;

/** Follows a command that prints once and is quiet then; `lost` resolves when the stream is lost. */
export async function followQuiet(machine: SshHost['machine'], signal: AbortSignal): Promise<{ lost: Promise<void> }> {
  const spec = startSpec('echo begun; exec sleep 300');
  await waitFor(() => machine.start(spec, signal).catch(() => null));
  let live = '';
  const take = async ({ bytes }: { bytes: Uint8Array }) => {
    live += Buffer.from(bytes).toString();
  };
  const lost = machine.follow(spec.attemptId, { stdout: 0, stderr: 0 }, take, signal);
  await waitFor(() => live === 'begun\n');
  return { lost };
}
