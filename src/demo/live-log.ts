import type { Api } from './api.ts';

/**
 * Hands on the lines that an attempt prints, each once, as they come; resolves at the end of the log. A stream that
 * breaks is taken up again where it broke.
 */
export async function followLines(
  api: Api,
  attemptId: string,
  signal: AbortSignal,
  onLine: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let offset = 0;
  let rest = '';
  for (let ended = false; !ended; ) {
    signal.throwIfAborted();
    for await (const { event, data } of serverSentEvents(await api.follow(attemptId, offset, signal))) {
      if (event === 'end') ended = true;
      if (event !== 'log') continue;
      const piece = JSON.parse(data) as { offset: number; base64: string };
      const bytes = Buffer.from(piece.base64, 'base64').subarray(Math.max(0, offset - piece.offset));
      offset = Math.max(offset, piece.offset) + bytes.length;
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(onLine);
    }
  }
  if (rest !== '') onLine(rest);
}

/** The events of a stream; a stream that breaks is a stream that ends. */
async function* serverSentEvents(response: Response): AsyncGenerator<{ event: string; data: string }> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const bytes of response.body ?? []) {
      const blocks = (rest + decoder.decode(bytes, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) yield { event: field(block, 'event'), data: field(block, 'data') };
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

const field = (block: string, name: string): string => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1] ?? '';
