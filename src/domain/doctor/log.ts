import { LOG_HEAD_BYTES, LOG_TAIL_BYTES } from '../attempt.ts';
import { type Breach, breach } from './breach.ts';
import type { ExaminedLog } from './facts.ts';

/**
 * Pieces follow each other from the first byte to the last, but for what the sender said it had left out, and for the
 * middle of a log that is longer than what is kept of it; and once sealed they are what was sealed.
 */
export function checkLog(taskId: string, log: ExaminedLog): Breach[] {
  const name = `${log.stream} of attempt ${log.attemptId}`;
  const hole = findHole(log);
  if (hole !== null) return [breach('log_not_whole', taskId, `${name}: ${hole}`)];
  if (!log.attemptFinished || log.totalBytes === 0) return [];
  if (log.sha256 === null) return [breach('log_hash_wrong', taskId, `${name} was not sealed when the attempt ended`)];
  const { actual } = log;
  if (actual === null || (actual.sha256 === log.sha256 && actual.bytes === log.storedBytes)) return [];
  return [
    breach('log_hash_wrong', taskId, `${name}: ${actual.bytes} bytes are not the ${log.storedBytes} that were sealed`),
  ];
}

function findHole({ runs, totalBytes, leftOutBytes }: ExaminedLog): string | null {
  const trimmed = totalBytes > LOG_HEAD_BYTES + LOG_TAIL_BYTES;
  let [missing, end] = [0, 0];
  for (const run of [...runs, { from: totalBytes, to: totalBytes }]) {
    if (run.from < end) return `bytes before ${end} are stored twice, or come after its end`;
    missing += trimmed ? keptOf(end, run.from, totalBytes) : run.from - end;
    end = run.to;
  }
  if (missing === leftOutBytes || (trimmed && missing < leftOutBytes)) return null;
  return `${missing} bytes are missing, of which its sender left out ${leftOutBytes}`;
}

/** How many bytes of a gap lie in the head or in the tail. */
function keptOf(from: number, to: number, totalBytes: number): number {
  const middle = Math.max(0, Math.min(to, totalBytes - LOG_TAIL_BYTES) - Math.max(from, LOG_HEAD_BYTES));
  return to - from - middle;
}
