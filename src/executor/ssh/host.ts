import { setTimeout as delay } from 'node:timers/promises';
import { findKeptLimits, type KeptLimits } from '../kept-limits.ts';
import { type Machine, MachineError, NotSent } from '../machine.ts';
import { WRAPPER } from '../wrapper/protocol.ts';
import { createShellMachine, type ShellMachineOptions } from '../wrapper/shell-machine.ts';
import { NoAnswer, type RunOptions, type RunResult, TooMuch, type Transport } from '../wrapper/transport.ts';
import { ChannelLost, ChannelRefused, execute } from './channel.ts';
import { newCheckFolder, removeCheckFolder } from './check-folder.ts';
import { type Connection, connect, type Endpoint, type Way } from './connect.ts';
import { forward, NoWay } from './forward.ts';
import { createPool, isRefusal, type Lease, type Pool } from './pool.ts';
import { type HostKeys, trustedKeys } from './trusted-keys.ts';

export type SshHostOptions = Endpoint &
  ShellMachineOptions & {
    /** Nothing is sent to a host that shows another. */
    hostKeys: HostKeys;
    /** From the first packet to the end of authentication. */
    connectDeadlineMs?: number;
    keepaliveMs?: number;
    /** A host that shows another key, or doesn't let us in, is asked again only after so long. */
    refusedMs?: number;
  };

export type SshHostDeps = {
  random?: () => number;
  /** The host through which this one is reached. */
  jump?: Pick<SshHost, 'forward'>;
};

export type SshHost = {
  machine: Machine;
  /** Which limits it can keep, found out by trying. */
  keptLimits(signal: AbortSignal): Promise<KeptLimits>;
  /** A way through this host to another address. It takes a channel, as an operation does. */
  forward: Way;
  /** Runs a short script that may be run twice; it travels on standard input. */
  sh(script: Uint8Array, signal: AbortSignal): Promise<RunResult>;
  /** Ends the connections. Attempts on the host go on. */
  close(): void;
};

const SMALL = { maxBytes: 64 * 1024, deadlineMs: 10_000, repeatable: true } as const;

const FOLDER = '.taskejo';
const TRIES = 8;

/** What is executed on a host. It is the same for every task but for ids and numbers. */
const commandLine = (script: string, words: readonly string[]) => `exec sh ${FOLDER}/${script} ${words.join(' ')}`;

const INSTALL =
  `exec sh -c 'umask 077; mkdir -p ${FOLDER} && cd ${FOLDER} && cat >i.$$ && ` +
  `[ $(($(wc -c <i.$$))) = ${WRAPPER.text.length} ] && mv -f i.$$ ${WRAPPER.name} || { rm -f i.$$; exit 1; }'`;

/**
 * A host that is driven over SSH. Connections are opened when needed, shared, and kept.
 * Throws {@link MachineError} `configuration` at once for host keys that can't be read.
 */
export function createSshHost(options: SshHostOptions, { random = Math.random, jump }: SshHostDeps = {}): SshHost {
  const { connectDeadlineMs = 10_000, keepaliveMs = 15_000, refusedMs = 60_000 } = options;
  const trusted = trustedKeys(options.hostKeys, options);
  const stopping = new AbortController();
  const { signal } = stopping;
  const way = jump === undefined ? {} : { way: jump.forward };

  /** A busy sshd drops connections that have not signed in yet: these are tried again, nothing else is. */
  async function open(): Promise<Connection> {
    const giveUpAt = performance.now() + connectDeadlineMs;
    const how = { deadlineMs: connectDeadlineMs, keepaliveMs, signal, ...way };
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 1_600)) {
      try {
        return await connect(options, await trusted(), how);
      } catch (error) {
        if (!wasDropped(error) || performance.now() + waitMs > giveUpAt) throw error;
        await delay(waitMs * (0.5 + random()), undefined, { signal });
      }
    }
  }

  const pool = createPool({ connect: rememberRefusals(open, refusedMs) });
  const transport: Transport = {
    run: (script, words, how) => runOnPool(pool, commandLine(script, words), how),
    install: async (signal) => {
      const how = { stdin: WRAPPER.text, maxBytes: 64 * 1024, deadlineMs: 30_000, repeatable: true, signal };
      const { exitCode, stderr } = await runOnPool(pool, INSTALL, how);
      if (exitCode !== 0) throw notInstalled(stderr.toString('utf8').trim().slice(0, 300));
    },
  };
  const sh: SshHost['sh'] = (script, signal) => runOnPool(pool, 'exec sh', { ...SMALL, stdin: script, signal });
  return {
    machine: createShellMachine(transport, options),
    async keptLimits(signal) {
      const folder = newCheckFolder();
      try {
        return await findKeptLimits(createShellMachine(transport, { ...options, installationId: folder }), signal);
      } finally {
        await removeCheckFolder(sh, folder, signal);
      }
    },
    forward: (to, signal) => forward(pool, to, signal),
    sh,
    close: () => {
      stopping.abort();
      pool.close();
    },
  };
}

/** Whoever refused us is left alone for a while: each more try looks like an attack there, and tells us nothing. */
function rememberRefusals(open: () => Promise<Connection>, refusedMs: number): () => Promise<Connection> {
  let refusal: { error: MachineError; until: number } | null = null;
  return async () => {
    if (refusal !== null && performance.now() < refusal.until) throw refusal.error;
    try {
      const connection = await open();
      refusal = null;
      return connection;
    } catch (error) {
      if (isRefusal(error)) refusal = { error, until: performance.now() + refusedMs };
      throw error;
    }
  };
}

function notInstalled(said: string): MachineError {
  return new MachineError(said.includes('No space left') ? 'disk_full' : 'home', `can't write in ~/${FOLDER}: ${said}`);
}

function wasDropped(error: unknown): boolean {
  if (!(error instanceof MachineError) || error.kind !== 'unreachable') return false;
  if (error instanceof NoAnswer || error instanceof NoWay) return false;
  const cause = error.cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return code === undefined || code === 'ECONNRESET';
}

/**
 * Runs a command on any connection with room. A refused channel is tried elsewhere, a lost one once more if that
 * changes nothing.
 */
async function runOnPool(pool: Pool, command: string, options: RunOptions): Promise<RunResult> {
  let sent = false;
  for (let tries = 1; ; tries += 1) {
    const lease = await pool.lease(options.signal).catch((error: unknown) => {
      throw sent ? error : notSent(error);
    });
    try {
      const result = await execute(lease.connection, command, options);
      lease.release();
      return result;
    } catch (error) {
      // Neither stops for being asked: who sends without end, and who has said nothing at all for so long.
      const unheard = !lease.heard();
      const isDeaf = isOverdue(error) && unheard;
      if (isDeaf || error instanceof TooMuch) lease.connection.cut();
      giveBack(lease, error, options.signal);
      const again =
        error instanceof ChannelRefused || (error instanceof ChannelLost && options.repeatable && tries < 2);
      // The command is sent when the channel is open, and nobody has said so who has said nothing.
      sent ||= !(unheard || error instanceof ChannelRefused);
      if (!again || tries >= TRIES) throw sent ? error : notSent(error);
    }
  }
}

const notSent = (error: unknown) =>
  error instanceof MachineError ? new NotSent(error.kind, error.message, { cause: error }) : error;

/** A deadline passed, ours or that of whoever asked. */
const isOverdue = (error: unknown): boolean =>
  error instanceof NoAnswer || (error instanceof Error && error.name === 'TimeoutError');

function giveBack(lease: Lease, error: unknown, signal: AbortSignal): void {
  if (error instanceof ChannelRefused) lease.refused();
  else if (signal.aborted || !(error instanceof MachineError)) lease.release();
  else lease.suspect();
}
