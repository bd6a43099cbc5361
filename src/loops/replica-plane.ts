import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical-json.ts';
import { AppError } from '../domain/errors.ts';
import type { Holder } from '../domain/holder.ts';
import { type ControlPlane, ControlPlaneError, type ControlPlaneErrorKind } from '../executor/control-plane.ts';
import { completeAttempt } from '../usecases/attempt/complete-attempt.ts';
import { renewAttempt } from '../usecases/attempt/renew-attempt.ts';
import { startAttempt } from '../usecases/attempt/start-attempt.ts';
import type { Deps } from '../usecases/deps.ts';
import { writeLog } from '../usecases/log/write-log.ts';

/** The control plane as a replica speaks to it: in process, as the holder of its attempts. */
export function createReplicaPlane(deps: Deps, replicaId: string): ControlPlane {
  const holder: Holder = { kind: 'replica', replicaId };
  return {
    start: (attemptId, process) =>
      told(async () => {
        const { environment } = await startAttempt(deps, holder, attemptId, process);
        return { environment };
      }),
    renew: (attemptId, progress) => told(() => renewAttempt(deps, holder, attemptId, progress)),
    writeLog: (attemptId, stream, offset, bytes, marks) =>
      told(() => writeLog(deps, holder, attemptId, stream, { offset, bytes, ...marks })),
    complete: (attemptId, result) =>
      told(async () => {
        const hash = createHash('sha256').update(canonicalJson(result)).digest('hex');
        await completeAttempt(deps, holder, attemptId, result, { hash });
      }),
  };
}

/** Errors in the words of the port; whatever isn't ours is the database's, and may pass. */
async function told<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof AppError)) {
      throw new ControlPlaneError('unavailable', 'the database did not answer', { cause: error });
    }
    const next = error.extra.next_offset;
    throw new ControlPlaneError(kindOf(error), error.message, {
      cause: error,
      nextOffset: typeof next === 'number' ? next : null,
    });
  }
}

function kindOf({ code }: AppError): ControlPlaneErrorKind {
  if (code === 'lease_lost' || code === 'not_found') return 'lease_lost';
  if (code === 'status_not_allowed') return 'stop_asked';
  return code === 'attempt_finished' ? 'finished' : 'refused';
}
