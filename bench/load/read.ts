import { quantile } from '../support/rows.ts';
import { expectKnown } from './answers.ts';
import { type Address, openConnection, request } from './connection.ts';

export type ReadOptions = {
  address: Address;
  token: string;
  /** Asked in turn; `{n}` becomes the number of the request, for what would be answered from a cache. */
  paths: readonly string[];
  samples: number;
  first: number;
};

/** One reader, one request after another. */
export async function read({
  address,
  token,
  paths,
  samples,
  first,
}: ReadOptions): Promise<{ p50Ms: number; p99Ms: number }> {
  const connection = await openConnection(address);
  const times: number[] = [];
  try {
    for (let n = first; n < first + samples; n++) {
      const path = (paths[n % paths.length] ?? '').replaceAll('{n}', String(n).padStart(4, '0'));
      const asked = performance.now();
      expectKnown(`GET ${path}`, await connection.send(request('GET', path, token)), 200);
      times.push(performance.now() - asked);
    }
  } finally {
    connection.close();
  }
  return { p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}
