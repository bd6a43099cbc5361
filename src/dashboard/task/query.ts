import { STREAMS, type Stream } from '../../domain/machine.ts';

/** Which part of a task's page the address asks for. */
export type TaskQuery = {
  /** Number of the attempt; null: the last one, whichever that is. */
  attempt: number | null;
  /** Null: both as one. */
  stream: Stream | null;
  /** A line that must be among those shown: `L120`, or `E41` of stderr. */
  line: string | null;
};

export function readTaskQuery(asked: Record<string, string>): TaskQuery {
  const { attempt = '', stream, line = '' } = asked;
  return {
    attempt: /^[1-9]\d{0,8}$/.test(attempt) ? Number(attempt) : null,
    stream: STREAMS.find((one) => one === stream) ?? null,
    line: /^[LE][1-9]\d{0,14}$/.test(line) ? line : null,
  };
}

export const streamsOf = ({ stream }: TaskQuery): readonly Stream[] => (stream === null ? STREAMS : [stream]);

/** The address of a part; without a path, relative to the page. */
export function taskAddress({ attempt, stream, line }: TaskQuery, path = ''): string {
  const said = new URLSearchParams();
  if (attempt !== null) said.set('attempt', String(attempt));
  if (stream !== null) said.set('stream', stream);
  if (line !== null) said.set('line', line);
  return said.size === 0 ? path || '?' : `${path}?${said}`;
}
