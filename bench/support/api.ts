import { NotAvailable } from './jobs.ts';

export type Api = <T>(method: string, path: string, body?: unknown, token?: string) => Promise<T>;

/** What a server answers to something that it doesn't know, or not yet. */
const UNKNOWN = [404, 405, 422];

/** Calls a server for preparation, not for figures. Throws for any answer but 2xx. */
export function createApi(url: string, adminToken: string): Api {
  return async <T>(method: string, path: string, body?: unknown, token = adminToken): Promise<T> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    if (UNKNOWN.includes(response.status)) throw new NotAvailable(`${method} ${path}: ${response.status} ${text}`);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? null : JSON.parse(text)) as T;
  };
}
