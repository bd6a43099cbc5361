import type { Renewal, Result } from '../../src/domain/attempt.ts';
import type { Stream } from '../../src/domain/machine.ts';
import type { ProcessIdentity } from '../../src/domain/process.ts';
import { hideInStream } from '../../src/domain/redact.ts';
import {
  type ControlPlane,
  ControlPlaneError,
  type Granted,
  type ProgressNote,
} from '../../src/executor/control-plane.ts';

type KeptStream = { bytes: Buffer; next: number; gaps: { from: number; to: number }[] };

/** What the control plane holds of its one attempt. */
export type Kept = {
  status: 'assigned' | 'running' | 'ended';
  stopReason: string | null;
  process: ProcessIdentity | null;
  /** What a start is answered with. */
  environment: Granted['environment'];
  /** Hidden in the log. */
  secret: string | null;
  progress: ProgressNote[];
  renewals: number;
  streams: Record<Stream, KeptStream>;
  results: Result[];
  /** Calls by name, in order, accepted or not. */
  calls: string[];
};

export type MemoryControlPlane = {
  plane: ControlPlane;
  kept: Kept;
  /** What is kept of a stream, as text; left-out bytes are missing. */
  text(stream: Stream): string;
  askStop(reason: string): void;
  /** The sweep ended the lease: nothing is accepted any more. */
  endLease(): void;
  away(is: boolean): void;
  /** Its next answers to these calls get lost: the call counts, its caller never learns. */
  loseAnswers(call: string, times: number): void;
  follow(is: boolean): void;
};

const LEASE_SECONDS = 30;
const MAX_WRITE_BYTES = 1024 * 1024;

/** A control plane for one attempt that keeps the real one's rules: fence, stop before start, log offsets, one result. */
export function createMemoryControlPlane(attemptId: string): MemoryControlPlane {
  const kept: Kept = {
    status: 'assigned',
    stopReason: null,
    process: null,
    environment: {},
    secret: null,
    progress: [],
    renewals: 0,
    streams: { stdout: emptyStream(), stderr: emptyStream() },
    results: [],
    calls: [],
  };
  const state = { away: false, leaseEnded: false, followed: false };
  const lost = new Map<string, number>();

  async function call<T>(name: string, id: string, act: () => T): Promise<T> {
    await Promise.resolve();
    kept.calls.push(name);
    if (state.away) throw new ControlPlaneError('unavailable', 'nobody answers');
    if (id !== attemptId || state.leaseEnded) throw new ControlPlaneError('lease_lost', 'not yours');
    if (kept.status === 'ended' && name !== 'complete') throw new ControlPlaneError('finished', 'ended before');
    const answer = act();
    const losses = lost.get(name) ?? 0;
    if (losses > 0) {
      lost.set(name, losses - 1);
      throw new ControlPlaneError('unavailable', 'the answer got lost');
    }
    return answer;
  }

  const plane: ControlPlane = {
    start: (id, process) => call('start', id, () => start(kept, process)),
    renew: (id, progress): Promise<Renewal> =>
      call('renew', id, () => {
        kept.renewals++;
        if (progress !== null) kept.progress.push(progress);
        return {
          leaseSeconds: LEASE_SECONDS,
          leaseExpiresAt: new Date(Date.now() + LEASE_SECONDS * 1000).toISOString(),
          stopReason: kept.stopReason,
          followed: state.followed,
        };
      }),
    writeLog: (id, stream, offset, bytes, { gap, end }) =>
      call('writeLog', id, () => ({
        nextOffset: write(kept.streams[stream], offset, bytes, { gap, end, secret: kept.secret }),
        followed: state.followed,
      })),
    complete: (id, result) => call('complete', id, () => complete(kept, result)),
  };
  return {
    plane,
    kept,
    text: (stream) => kept.streams[stream].bytes.toString(),
    askStop: (reason) => {
      kept.stopReason ??= reason;
    },
    endLease: () => {
      state.leaseEnded = true;
    },
    away: (is) => {
      state.away = is;
    },
    loseAnswers: (name, times) => lost.set(name, times),
    follow: (is) => {
      state.followed = is;
    },
  };
}

const emptyStream = (): KeptStream => ({ bytes: Buffer.alloc(0), next: 0, gaps: [] });

function start(kept: Kept, process: ProcessIdentity | null): Granted {
  if (kept.status === 'assigned') {
    if (kept.stopReason !== null) throw new ControlPlaneError('stop_asked', 'a stop was asked');
    kept.status = 'running';
  }
  kept.process ??= process;
  return { environment: kept.environment };
}

function write(
  stream: KeptStream,
  offset: number,
  bytes: Uint8Array,
  { gap, end, secret }: { gap: boolean; end: boolean; secret: string | null },
): number {
  if (bytes.length > MAX_WRITE_BYTES) throw new ControlPlaneError('refused', 'too large');
  if (offset > stream.next) {
    if (!gap) throw new ControlPlaneError('refused', 'offset gap', { nextOffset: stream.next });
    stream.gaps.push({ from: stream.next, to: offset });
    stream.next = offset;
  }
  const given = bytes.subarray(Math.min(stream.next - offset, bytes.length));
  const fresh = hideInStream(given, secret === null ? [] : [secret], { end, afterGap: false });
  stream.bytes = Buffer.concat([stream.bytes, fresh]);
  stream.next += fresh.length;
  return stream.next;
}

function complete(kept: Kept, result: Result): void {
  const [first] = kept.results;
  if (first !== undefined && JSON.stringify(first) !== JSON.stringify(result)) {
    throw new ControlPlaneError('finished', 'another result was accepted');
  }
  if (result.outcome === 'released' && kept.process !== null) {
    throw new ControlPlaneError('refused', 'a process was reported');
  }
  kept.status = 'ended';
  kept.results = [first ?? result];
}
