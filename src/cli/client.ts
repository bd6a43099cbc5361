import { z } from 'zod';
import { visible } from '../domain/visible.ts';
import { CliError, EXIT } from './errors.ts';

type Headers = Readonly<Record<string, string>>;
export type Query = Readonly<Record<string, string | number | undefined>>;

/** The server's API. Every call throws a {@link CliError} that says in one sentence what went wrong. */
export type Client = {
  /** Answers are checked against the contract and handed on whole, with what a newer server adds. */
  get<T>(path: string, schema: z.ZodType<T>, query?: Query): Promise<T>;
  post<T>(path: string, body: unknown, schema: z.ZodType<T>, headers?: Headers): Promise<T>;
  patch<T>(path: string, body: unknown, schema: z.ZodType<T>, headers?: Headers): Promise<T>;
  remove(path: string): Promise<void>;
  /** An answer that is read piece by piece. */
  open(path: string, headers: Headers, signal?: AbortSignal): Promise<Response>;
};

/** Nothing answered, or somebody said to come back later: asking again may help. */
export class ServerAwayError extends CliError {
  override name = 'ServerAwayError';
}

const ANSWER_WITHIN_MS = 30_000;

export function createClient({ url, token }: { url: string; token: string }): Client {
  const request = async (method: string, path: string, init: RequestInit): Promise<Response> => {
    const headers = { authorization: `Bearer ${token}`, ...init.headers };
    const response = await fetch(`${url}${path}`, { ...init, method, headers, redirect: 'manual' }).catch(
      (error: unknown) => {
        throw new ServerAwayError(unreachable(url, error), EXIT.failed, { cause: error });
      },
    );
    if (!response.ok) throw await refusal(url, response);
    return response;
  };
  const soon = () => AbortSignal.timeout(ANSWER_WITHIN_MS);
  const send = (method: string, path: string, body: unknown, headers: Headers): Promise<Response> =>
    request(method, path, {
      signal: soon(),
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  return {
    get: async (path, schema, query = {}) =>
      read(url, await request('GET', path + queryText(query), { signal: soon() }), schema),
    post: async (path, body, schema, headers = {}) => read(url, await send('POST', path, body, headers), schema),
    patch: async (path, body, schema, headers = {}) => read(url, await send('PATCH', path, body, headers), schema),
    remove: async (path) => {
      const response = await request('DELETE', path, { signal: soon() });
      await response.body?.cancel();
    },
    open: (path, headers, signal) => request('GET', path, { headers, signal: signal ?? null }),
  };
}

function queryText(query: Query): string {
  const said = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]]));
  return said.length === 0 ? '' : `?${new URLSearchParams(said)}`;
}

async function read<T>(url: string, response: Response, schema: z.ZodType<T>): Promise<T> {
  const body: unknown = await response.json().catch(() => undefined);
  if (!schema.safeParse(body).success) throw notOurs(url, response);
  return body as T;
}

const notOurs = (url: string, response: Response): CliError =>
  new CliError(`${url} gave an answer that this program does not understand (HTTP ${response.status})`);

const problem = z.object({
  code: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
});

async function refusal(url: string, response: Response): Promise<CliError> {
  const body: unknown = await response.json().catch(() => undefined);
  const said = problem.safeParse(body);
  if (!said.success) return notOurs(url, response);
  const { code, detail, errors = [] } = said.data;
  const fields = errors.map(({ field, message }) => `${field}: ${message}`).join('; ');
  const message = visible(`${fields === '' ? detail : fields} (${code})`);
  return response.status === 503 ? new ServerAwayError(message) : new CliError(message);
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there; is the server running?',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'its name cannot be looked up now',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
};

function unreachable(url: string, error: unknown): string {
  const { name, message, cause } = error as Error & { cause?: NodeJS.ErrnoException };
  const code = cause?.code ?? '';
  const late = name === 'TimeoutError' ? `no answer within ${ANSWER_WITHIN_MS / 1000} s` : undefined;
  return `cannot reach ${url}: ${late ?? REASONS[code] ?? cause?.message ?? message}`;
}
