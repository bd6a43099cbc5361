export type ServerSentEvent = { id: string | null; event: string; data: string };

/** The events of a stream as they come. Ends with the stream; `onBytes` is told of every sign of life. */
export async function* serverSentEvents(
  body: AsyncIterable<Uint8Array>,
  onBytes: () => void = () => {},
): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    onBytes();
    rest += decoder.decode(bytes, { stream: true });
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? '';
    yield* blocks.map(parseBlock).filter((event) => event.data !== '');
  }
}

function parseBlock(block: string): ServerSentEvent {
  const fields = block
    .split(/\r?\n/)
    .map((line) => /^(id|event|data):? ?(.*)$/.exec(line))
    .filter((field) => field !== null);
  const all = (name: string) => fields.filter((field) => field[1] === name).map((field) => field[2] ?? '');
  return { id: all('id').at(-1) ?? null, event: all('event').at(-1) ?? 'message', data: all('data').join('\n') };
}
