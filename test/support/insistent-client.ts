import { setTimeout as delay } from 'node:timers/promises';
import { ADMIN_TOKEN } from './replica.ts';

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the test is about
export type Heard = { status: number; json: any; replayed: boolean };
export type Ask = {
  body?: unknown;
  token?: string;
  key?: string;
  patienceMs?: number;
  /** Who asks: everybody begins with another replica, and stays with the one that answered last. */
  who?: number;
};

export type InsistentClient = {
  /** Asks until a replica answers for good, the next one where one doesn't. */
  ask(method: string, path: string, ask?: Ask): Promise<Heard>;
  /** How often each status was answered; `0` is no answer at all. */
  statuses: ReadonlyMap<number, number>;
  /** What was said with a 503, and whether each said when to come again. */
  refusals: readonly { code: string; retryAfter: string | null }[];
};

const DEADLINE_MS = 90_000;
const AGAIN_MS = 50;

/**
 * A client as good ones are: what was not answered, or with 503, is asked again with the same key and body, of the next
 * replica where there is one. Keeps all statuses that it ever heard.
 */
export function createInsistentClient(urls: readonly string[]): InsistentClient {
  const statuses = new Map<number, number>();
  const refusals: { code: string; retryAfter: string | null }[] = [];
  const turns = new Map<number, number>();

  const once = async (method: string, path: string, ask: Ask, turn: number): Promise<Heard | null> => {
    const { body, token, key, patienceMs } = ask;
    const url = urls[turn % urls.length];
    const headers = {
      authorization: `Bearer ${token ?? ADMIN_TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    };
    const response = await fetch(`${url}${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(patienceMs ?? DEADLINE_MS),
    });
    const text = await response.text();
    const json = text === '' ? null : JSON.parse(text);
    const { status } = response;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (status !== 503) return { status, json, replayed: response.headers.has('idempotency-replayed') };
    refusals.push({ code: json.code, retryAfter: response.headers.get('retry-after') });
    return null;
  };

  return {
    statuses,
    refusals,
    async ask(method, path, ask = {}) {
      const deadline = Date.now() + DEADLINE_MS;
      const { who = 0 } = ask;
      const turnNow = () => turns.get(who) ?? who;
      for (;;) {
        const turn = turnNow();
        const heard = await once(method, path, ask, turn).catch(() => {
          statuses.set(0, (statuses.get(0) ?? 0) + 1);
          return null;
        });
        if (heard !== null) return heard;
        // Of two that failed together only one goes on to the next replica: two would be back where they were.
        if (turnNow() === turn) turns.set(who, turn + 1);
        if (Date.now() > deadline) throw new Error(`${method} ${path}: no answer in ${DEADLINE_MS} ms`);
        await delay(AGAIN_MS);
      }
    },
  };
}
