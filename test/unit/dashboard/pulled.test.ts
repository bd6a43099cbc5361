import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { pulled } from '../../../src/dashboard/live/pulled.ts';
import { waitFor } from '../../support/wait-for.ts';

function source(most = Number.POSITIVE_INFINITY) {
  const told = { made: 0, ended: false };
  async function* pieces() {
    try {
      while (told.made < most) yield new Uint8Array([++told.made]);
    } finally {
      told.ended = true;
    }
  }
  return { told, pieces: pieces() };
}

function stream(pieces: AsyncGenerator<Uint8Array>, stuckMs = 60_000) {
  const gone = new AbortController();
  const errors: unknown[] = [];
  const reader = pulled(pieces, { stuckMs, gone, onError: (error) => errors.push(error) }).getReader();
  return { reader, gone, errors };
}

describe('a stream that is pulled', () => {
  it('makes nothing ahead of its reader', async () => {
    const { told, pieces } = source();
    const { reader } = stream(pieces);
    await setImmediate();
    expect(told.made).toBe(0);
    await reader.read();
    await reader.read();
    await setImmediate();
    expect(told.made).toBe(2);
  });

  it('drops a reader that takes nothing for too long, and ends its source', async () => {
    const { told, pieces } = source();
    const { reader, gone } = stream(pieces, 20);
    await reader.read();
    await waitFor(() => gone.signal.aborted && told.ended);
    await expect(reader.read()).rejects.toThrow('too slow');
  });

  it('ends its source when the reader goes', async () => {
    const { told, pieces } = source();
    const { reader, gone } = stream(pieces);
    await reader.read();
    await reader.cancel();
    expect([gone.signal.aborted, told.ended]).toEqual([true, true]);
  });

  it('ends with its source', async () => {
    const { reader } = stream(source(1).pieces);
    expect((await reader.read()).value).toEqual(new Uint8Array([1]));
    expect((await reader.read()).done).toBe(true);
  });

  it('just ends for its reader when the source breaks, and tells of it', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array([1]);
      throw new Error('the database is away');
    }
    const { reader, errors } = stream(broken());
    await reader.read();
    expect((await reader.read()).done).toBe(true);
    expect(errors).toEqual([new Error('the database is away')]);
  });
});
