import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'ssh2';
import { type Machine, MachineError } from '../machine.ts';
import { WRAPPER } from '../wrapper/protocol.ts';
import { createShellMachine, type ShellMachineOptions } from '../wrapper/shell-machine.ts';
import { NoAnswer, type RunOptions, type RunResult, TooMuch, type Transport } from '../wrapper/transport.ts';
import { ChannelLost, ChannelRefused, execute } from './channel.ts';
import { connect, type Endpoint } from './connect.ts';
import { pinHostKeys } from './host-key.ts';
import { createPool, type Lease, type Pool } from './pool.ts';

export type SshHostOptions = Endpoint &
  ShellMachineOptions & {
    /** At least one pinned key: `SHA256:…` or a full key line. Nothing is sent to a host that shows another. */
    hostKeys: readonly string[];
    /** From the first packet to the end of authentication. */
    connectDeadlineMs?: number;
    keepaliveMs?: number;
  };

export type SshHostDeps = { random?: () => number };

export type SshHost = {
  machine: Machine;
  /** Ends the connections. Attempts on the host go on. */
  close(): void;
};

const FOLDER = '.taskejo';
const TRIES = 8;

/** What is executed on a host. It is the same for every task but for ids and numbers. */
const commandLine = (words: readonly string[]) => `exec sh ${FOLDER}/${WRAPPER.name} ${words.join(' ')}`;

const INSTALL =
  `exec sh -c 'umask 077; mkdir -p ${FOLDER} && cd ${FOLDER} && cat >i.$$ && ` +
  `[ $(($(wc -c <i.$$))) = ${WRAPPER.text.length} ] && mv -f i.$$ ${WRAPPER.name} || { rm -f i.$$; exit 1; }'`;

/**
 * A host that is driven over SSH. Connections are opened when needed, shared, and kept.
 * Throws {@link MachineError} `configuration` at once for host keys that can't be read.
 */
export function createSshHost(options: SshHostOptions, { random = Math.random }: SshHostDeps = {}): SshHost {
  const { hostKeys, connectDeadlineMs = 10_000, keepaliveMs = 15_000, ...rest } = options;
  const pinned = pinHostKeys(hostKeys);
  const stopping = new AbortController();

  /** A busy sshd drops connections that have not signed in yet: these are tried again, nothing else is. */
  async function open(): Promise<Client> {
    const signal = stopping.signal;
    const giveUpAt = performance.now() + connectDeadlineMs;
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 1_600)) {
      try {
        return await connect(rest, pinned, { deadlineMs: connectDeadlineMs, keepaliveMs, signal });
      } catch (error) {
        if (!wasDropped(error) || performance.now() + waitMs > giveUpAt) throw error;
        await delay(waitMs * (0.5 + random()), undefined, { signal });
      }
    }
  }

  const pool = createPool({ connect: open });
  const transport: Transport = {
    run: (words, how) => runOnPool(pool, commandLine(words), how),
    install: async (signal) => {
      const how = { stdin: WRAPPER.text, maxBytes: 64 * 1024, deadlineMs: 30_000, repeatable: true, signal };
      const { exitCode, stderr } = await runOnPool(pool, INSTALL, how);
      if (exitCode !== 0) throw notInstalled(stderr.toString('utf8').trim().slice(0, 300));
    },
  };
  return {
    machine: createShellMachine(transport, options),
    close: () => {
      stopping.abort();
      pool.close();
    },
  };
}

function notInstalled(said: string): MachineError {
  return new MachineError(said.includes('No space left') ? 'disk_full' : 'home', `can't write in ~/${FOLDER}: ${said}`);
}

function wasDropped(error: unknown): boolean {
  if (!(error instanceof MachineError) || error.kind !== 'unreachable' || error instanceof NoAnswer) return false;
  const cause = error.cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return code === undefined || code === 'ECONNRESET';
}

/**
 * Runs a command on any connection with room. A refused channel is tried elsewhere, a lost one once more if that
 * changes nothing.
 */
async function runOnPool(pool: Pool, command: string, options: RunOptions): Promise<RunResult> {
  for (let tries = 1; ; tries += 1) {
    const lease = await pool.lease(options.signal);
    try {
      const result = await execute(lease.client, command, options);
      lease.release();
      return result;
    } catch (error) {
      giveBack(lease, error, options.signal);
      const again =
        error instanceof ChannelRefused || (error instanceof ChannelLost && options.repeatable && tries < 2);
      if (!again || tries >= TRIES) throw error;
    }
  }
}

function giveBack(lease: Lease, error: unknown, signal: AbortSignal): void {
  if (error instanceof TooMuch) lease.client.destroy(); // it would not stop for being asked
  if (error instanceof ChannelRefused) lease.refused();
  else if (signal.aborted || !(error instanceof MachineError)) lease.release();
  else lease.suspect();
}
