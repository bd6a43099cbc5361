import { type Complete, completedMany, logWritten, renewed } from '../contract/attempt.ts';
import { task } from '../contract/task.ts';
import type { Result } from '../domain/attempt.ts';
import { type ControlPlane, ControlPlaneError, type ControlPlaneErrorKind } from '../executor/control-plane.ts';
import { ServerAway, type ServerClient, ServerRefusal, type ServerRequest } from './http.ts';
import type { Ending, SayEndings } from './outbox.ts';

/** Of the task that a start answers only what belongs to nobody but its holder. */
const started = task.pick({ environment: true });

/** The control plane as an agent speaks to it: over HTTP, as the agent that it is. */
export function createHttpControlPlane(client: ServerClient): ControlPlane {
  const call = async <T>(
    attemptId: string,
    what: string,
    request: Pick<ServerRequest<T>, 'schema' | 'body'> & { method?: 'POST' | 'PUT' },
    signal: AbortSignal,
  ): Promise<T> => {
    try {
      return await client({ method: 'POST', path: `/api/v1/attempts/${attemptId}/${what}`, ...request }, signal);
    } catch (error) {
      throw toPlaneError(error);
    }
  };
  return {
    async start(attemptId, process, signal) {
      const identity = process && { pid: process.pid, started_at: process.startedAt, boot_id: process.bootId };
      return call(attemptId, 'start', { body: identity ? { process: identity } : {}, schema: started }, signal);
    },
    async renew(attemptId, progress, signal) {
      const answer = await call(attemptId, 'renew', { body: progress ? { progress } : {}, schema: renewed }, signal);
      return {
        leaseSeconds: answer.lease_seconds,
        leaseExpiresAt: answer.lease_expires_at,
        stopReason: answer.cancel_requested ? (answer.cancel_reason ?? 'cancel') : null,
        followed: answer.followed,
      };
    },
    async writeLog(attemptId, stream, offset, bytes, { gap, end }, signal) {
      const where = `log/${stream}?offset=${offset}${gap ? '&gap=1' : ''}${end ? '&end=1' : ''}`;
      const answer = await call(attemptId, where, { method: 'PUT', body: bytes, schema: logWritten }, signal);
      return { nextOffset: answer.next_offset, followed: answer.followed };
    },
    async complete(attemptId, result, signal) {
      await call(attemptId, 'complete', { body: completeBody(result), schema: null }, signal);
    },
  };
}

/** Says endings over HTTP: one alone by itself, several in one request. */
export function createSayEndings(client: ServerClient, { complete }: ControlPlane): SayEndings {
  const sayOne = ({ attemptId, result }: Ending, signal: AbortSignal): Promise<Error | null> =>
    complete(attemptId, result, signal).then(
      () => null,
      (error: Error) => error,
    );
  const saySeveral = async (endings: readonly Ending[], signal: AbortSignal): Promise<(Error | null)[]> => {
    const items = endings.map(({ attemptId, result }) => ({ attempt_id: attemptId, ...completeBody(result) }));
    const path = '/api/v1/attempts/complete';
    const answer = await client({ method: 'POST', path, body: { items }, schema: completedMany }, signal);
    const errorOf = ({ status, code }: (typeof answer.items)[number]) =>
      code === null ? null : toPlaneError(new ServerRefusal(status, { code, detail: 'the result was not taken' }));
    return answer.items.map(errorOf);
  };
  return async (endings, signal) => {
    if (endings.length > 1) {
      try {
        return await saySeveral(endings, signal);
      } catch (error) {
        if (!(error instanceof ServerRefusal)) throw toPlaneError(error); // refused together, each may be right alone
      }
    }
    const errors: (Error | null)[] = [];
    for (const ending of endings) errors.push(await sayOne(ending, signal));
    return errors;
  };
}

const completeBody = (result: Result): Complete => ({
  outcome: result.outcome,
  exit_code: result.exitCode,
  signal: result.signal,
  error: result.error,
  failure_class: result.failureClass,
  ...(result.ownFailure ? { own_failure: true } : {}),
  left_processes: result.leftProcesses?.slice() ?? null, // what an older store kept has none
  summary: result.summary,
  output: result.output,
  usage: result.usage,
});

const KINDS: Record<string, ControlPlaneErrorKind> = {
  lease_lost: 'lease_lost',
  not_found: 'lease_lost',
  attempt_finished: 'finished',
  status_not_allowed: 'stop_asked',
  // A credential that isn't accepted now never stops what runs: somebody may mend it.
  unauthenticated: 'unavailable',
  instance_conflict: 'unavailable',
  forbidden: 'unavailable',
  // A laptop is elsewhere for a while.
  address_not_allowed: 'unavailable',
};

function toPlaneError(error: unknown): Error {
  if (error instanceof ServerAway) return new ControlPlaneError('unavailable', error.message, { cause: error });
  if (!(error instanceof ServerRefusal)) return error as Error;
  return new ControlPlaneError(KINDS[error.code] ?? 'refused', error.message, {
    cause: error,
    nextOffset: error.nextOffset,
  });
}
