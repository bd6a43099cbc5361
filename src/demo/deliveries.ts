import { readFileSync } from 'node:fs';
import { type Accepted, accepted } from '../contract/delivery.ts';
import { type Problem, problem } from '../contract/problem.ts';

/** One delivery as Forgejo 15 sent it: headers in their order and letter case, the body's exact bytes as text. */
export type Recording = { title: string; method: string; headers: [name: string, value: string][]; body: string };

/** Secret of the webhook with which the deliveries were recorded, and the address of that forge. */
export const RECORDED_SECRET = 'recorded-secret';
export const RECORDED_FORGE = 'http://forge.example.org';

export const recording = (file: string): Recording =>
  JSON.parse(readFileSync(new URL(`./deliveries/${file}.json`, import.meta.url), 'utf8')) as Recording;

/** The headers that belong to a connection are made anew. */
const OF_THE_CONNECTION = /^(?:host|content-length|accept-encoding|connection)$/i;

export type Answer = { status: number; accepted: Accepted | null; problem: Problem | null };

/** Posts a recorded delivery with its recorded signature, as the forge did; `change` tampers with the bytes. */
export async function deliver(
  serverUrl: string,
  { method, headers, body }: Recording,
  change: (body: Buffer<ArrayBuffer>) => Buffer<ArrayBuffer> = (same) => same,
): Promise<Answer> {
  const response = await fetch(`${serverUrl}/webhooks/forgejo`, {
    method,
    headers: headers.filter(([name]) => !OF_THE_CONNECTION.test(name)),
    body: change(Buffer.from(body, 'utf8')),
    signal: AbortSignal.timeout(15_000),
  });
  const answer: unknown = await response.json();
  return {
    status: response.status,
    accepted: accepted.safeParse(answer).data ?? null,
    problem: problem.safeParse(answer).data ?? null,
  };
}

/** The same bytes but one bit, somewhere in a text. */
export function flipOneBit(body: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  const at = body.indexOf('please');
  const changed = Buffer.from(body);
  changed.writeUInt8(body.readUInt8(Math.max(at, 0)) ^ 1, Math.max(at, 0));
  return changed;
}
