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
 * while somebody watches and at the end. Where to go on is always the offset that the control plane has stored.
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
  const offsets: Record<Stream, number> = { stdout: 0, stderr: 0 };
  const refused = new Set<Stream>();
  const send = (stream: Stream, offset: number, bytes: Uint8Array, signal: AbortSignal) =>
    sendBytes(deps, { offsets, refused }, { stream, offset, bytes }, signal);

  /** One step towards the end of a stream; answers whether there may be more. */
  async function advance(stream: Stream, total: number, signal: AbortSignal): Promise<boolean> {
    const before = offsets[stream];
    if (refused.has(stream) || total <= before) return false;
    const inHead = before < LOG_HEAD_BYTES;
    const from = inHead ? before : Math.max(before, total - LOG_TAIL_BYTES);
    const { piece } = await deps.collect(stream, from, inHead ? LOG_HEAD_BYTES - before : LOG_TAIL_BYTES, signal);
    if (piece === null || piece.bytes.length === 0) return false;
    await send(stream, piece.offset, piece.bytes, signal);
    return offsets[stream] !== before;
  }

  return {
    offsets,
    async findOffsets(signal) {
      for (const stream of STREAMS) await send(stream, 0, new Uint8Array(), signal);
    },
    async takePiece({ stream, offset, bytes }, signal) {
      const next = offsets[stream];
      if (refused.has(stream) || next >= LOG_HEAD_BYTES) return;
      if (offset > next) throw new OutOfStep(`${stream} goes on at ${offset}, expected ${next}`);
      const fresh = bytes.subarray(next - offset, LOG_HEAD_BYTES - offset);
      if (fresh.length > 0) await send(stream, next, fresh, signal);
    },
    async sampleTails(report, signal) {
      for (const stream of STREAMS) {
        if (offsets[stream] >= LOG_HEAD_BYTES) await advance(stream, report.streams[stream].total, signal);
      }
    },
    async drain(report, signal) {
      for (const stream of STREAMS) {
        while (await advance(stream, report.streams[stream].total, signal));
      }
    },
  };
}

type Sent = { offsets: Record<Stream, number>; refused: Set<Stream> };

async function sendBytes(deps: PumpDeps, sent: Sent, piece: LogPiece, signal: AbortSignal): Promise<void> {
  const { plane, link, attemptId, onFollowed, log } = deps;
  const { stream, offset, bytes } = piece;
  const gap = offset > sent.offsets[stream];
  try {
    const reply = await link(signal, () => plane.writeLog(attemptId, stream, offset, bytes, gap, signal));
    sent.offsets[stream] = reply.nextOffset;
    onFollowed(reply.followed);
  } catch (error) {
    if (!(error instanceof ControlPlaneError) || error.kind !== 'refused') throw error;
    if (error.nextOffset !== null && error.nextOffset !== sent.offsets[stream]) {
      sent.offsets[stream] = error.nextOffset;
      return;
    }
    sent.refused.add(stream);
    log.error({ attempt_id: attemptId, stream, cause: error.message }, 'log refused, the rest of it is not sent');
  }
}
