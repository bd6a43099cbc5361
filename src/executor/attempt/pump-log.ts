import { LOG_HEAD_BYTES, LOG_TAIL_BYTES } from '../../domain/attempt.ts';
import { type MachineReport, STREAMS, type Stream } from '../../domain/machine.ts';
import { type ControlPlane, ControlPlaneError } from '../control-plane.ts';
import type { Log } from '../log.ts';
import type { LogPiece } from '../machine.ts';
import type { PlaneLink } from './plane-link.ts';

/** Bytes kept by the machine from an offset on, with its report of the same moment. */
export type Collect = (
  stream: Stream,
  offset: number,
  limit: number,
  signal: AbortSignal,
) => Promise<{ report: MachineReport; piece: LogPiece | null }>;

/** A live piece doesn't continue what the control plane has: following must begin anew. */
export class OutOfStep extends Error {
  override name = 'OutOfStep';
}

export type PumpDeps = {
  plane: ControlPlane;
  link: PlaneLink;
  attemptId: string;
  collect: Collect;
  onFollowed: (followed: boolean) => void;
  log: Log;
};

/**
 * Brings what the machine keeps of both streams to the control plane: the head as it is written, after it only the tail,
 * while somebody watches and at the end. What the control plane doesn't take yet, because a secret may begin there, is sent
 * again with what follows. Where to go on is always the offset up to which it has taken or been shown all.
 */
export type LogPump = {
  /** Learns from the control plane how much it has: needed where somebody sent before. */
  findOffsets(signal: AbortSignal): Promise<void>;
  readonly offsets: Readonly<Record<Stream, number>>;
  /** Takes a live piece. @throws {OutOfStep} */
  takePiece(piece: LogPiece, signal: AbortSignal): Promise<void>;
  /** Sends the newest bytes of streams that are past their head. */
  sampleTails(report: MachineReport, signal: AbortSignal): Promise<void>;
  /** Sends all that is still missing, up to the end as the machine knows it. */
  drain(report: MachineReport, signal: AbortSignal): Promise<void>;
};

export function createLogPump(deps: PumpDeps): LogPump {
  const sent: Sent = { taken: { stdout: 0, stderr: 0 }, shown: {}, refused: new Set() };
  const send = (piece: LogPiece, signal: AbortSignal, end = false) => sendBytes(deps, sent, piece, end, signal);

  /** One step towards the end of a stream; answers whether there may be more. */
  async function advance(stream: Stream, total: number, signal: AbortSignal): Promise<boolean> {
    const before = goOnAt(sent, stream);
    if (sent.refused.has(stream) || total <= before) return false;
    const inHead = before < LOG_HEAD_BYTES;
    const from = inHead ? before : Math.max(before, total - LOG_TAIL_BYTES);
    const { piece } = await deps.collect(stream, from, inHead ? LOG_HEAD_BYTES - before : LOG_TAIL_BYTES, signal);
    if (piece === null || piece.bytes.length === 0) return false;
    await send(piece, signal);
    return goOnAt(sent, stream) !== before;
  }

  return {
    get offsets() {
      return { stdout: goOnAt(sent, 'stdout'), stderr: goOnAt(sent, 'stderr') };
    },
    async findOffsets(signal) {
      for (const stream of STREAMS) await send({ stream, offset: 0, bytes: new Uint8Array() }, signal);
    },
    async takePiece({ stream, offset, bytes }, signal) {
      const next = goOnAt(sent, stream);
      if (sent.refused.has(stream) || next >= LOG_HEAD_BYTES) return;
      if (offset > next) throw new OutOfStep(`${stream} goes on at ${offset}, expected ${next}`);
      const fresh = bytes.subarray(next - offset, LOG_HEAD_BYTES - offset);
      if (fresh.length > 0) await send({ stream, offset: next, bytes: fresh }, signal);
    },
    async sampleTails(report, signal) {
      for (const stream of STREAMS) {
        if (goOnAt(sent, stream) >= LOG_HEAD_BYTES) await advance(stream, report.streams[stream].total, signal);
      }
    },
    async drain(report, signal) {
      for (const stream of STREAMS) {
        while (await advance(stream, report.streams[stream].total, signal));
        const open = sent.shown[stream];
        if (open !== undefined && !sent.refused.has(stream)) await send({ ...open, bytes: NOTHING }, signal, true);
      }
    },
  };
}

const NOTHING = new Uint8Array();

type Sent = {
  /** Up to where the control plane has taken each stream. */
  taken: Record<Stream, number>;
  /** What it was sent last and didn't take, because a secret may begin there. */
  shown: { [stream in Stream]?: LogPiece };
  refused: Set<Stream>;
};

const endOf = ({ offset, bytes }: LogPiece): number => offset + bytes.length;

function goOnAt({ taken, shown }: Sent, stream: Stream): number {
  const open = shown[stream];
  return open === undefined ? taken[stream] : endOf(open);
}

/** Behind what was shown and not taken, a piece is sent together with that. */
function withOpen(open: LogPiece | undefined, piece: LogPiece, end: boolean): LogPiece {
  if (open === undefined || (!end && endOf(open) !== piece.offset)) return piece;
  return { ...open, bytes: Buffer.concat([open.bytes, piece.bytes]) };
}

async function sendBytes(deps: PumpDeps, sent: Sent, fresh: LogPiece, end: boolean, signal: AbortSignal) {
  const { plane, link, attemptId, onFollowed, log } = deps;
  const { stream } = fresh;
  const { offset, bytes } = withOpen(sent.shown[stream], fresh, end);
  const marks = { gap: offset > sent.taken[stream], end };
  try {
    const reply = await link(signal, () => plane.writeLog(attemptId, stream, offset, bytes, marks, signal));
    sent.taken[stream] = reply.nextOffset;
    delete sent.shown[stream];
    const open = bytes.subarray(Math.max(0, reply.nextOffset - offset));
    if (open.length > 0 && !end)
      sent.shown[stream] = { stream, offset: offset + bytes.length - open.length, bytes: open };
    onFollowed(reply.followed);
  } catch (error) {
    if (!(error instanceof ControlPlaneError) || error.kind !== 'refused') throw error;
    if (error.nextOffset !== null && error.nextOffset !== sent.taken[stream]) {
      sent.taken[stream] = error.nextOffset;
      delete sent.shown[stream];
      return;
    }
    sent.refused.add(stream);
    log.error({ attempt_id: attemptId, stream, cause: error.message }, 'log refused, the rest of it is not sent');
  }
}
