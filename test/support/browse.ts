import type { TestApp } from './app.ts';

export type Page = { status: number; headers: Headers; text: string; location: string | null };

/** What a page says, without its markup. */
export const textOf = (markup: string): string =>
  markup
    .replaceAll(/<\/?bdi>/g, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();

/** A browser without a screen: it keeps cookies, sends forms as browsers do, and follows nothing by itself. */
export type Browsing = {
  get(path: string, headers?: Record<string, string>): Promise<Page>;
  /** Sends the only form of a page that goes to this address, with what it holds and these fields. */
  submit(page: Page, action: string, fields?: Record<string, string>, headers?: Record<string, string>): Promise<Page>;
  signIn(token: string, next?: string): Promise<Page>;
  open(path: string, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
  cookies: Map<string, string>;
  /** What was set, as it was said. */
  setCookies: string[];
};

export function browse({ url }: Pick<TestApp, 'url'>): Browsing {
  const cookies = new Map<string, string>();
  const setCookies: string[] = [];

  const send = async (path: string, init: RequestInit): Promise<Response> => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { ...(cookie === '' ? {} : { cookie }), ...(init.headers as Record<string, string>) };
    const response = await fetch(`${url}${path}`, { ...init, headers, redirect: 'manual' });
    for (const text of response.headers.getSetCookie()) keep(text);
    return response;
  };
  const keep = (text: string) => {
    setCookies.push(text);
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? [];
    if (value === '') cookies.delete(name);
    else cookies.set(name, value);
  };
  const toPage = async (response: Response): Promise<Page> => ({
    status: response.status,
    headers: response.headers,
    text: await response.text(),
    location: response.headers.get('location'),
  });

  const browsing: Browsing = {
    cookies,
    setCookies,
    get: async (path, headers = {}) => toPage(await send(path, { headers })),
    open: (path, headers = {}, signal) => send(path, { headers, ...(signal ? { signal } : {}) }),
    async submit(page, action, fields = {}, headers = {}) {
      const form = page.text.split('<form').find((part) => part.includes(`action="${action}"`)) ?? '';
      const hidden = [...form.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)];
      const body = new URLSearchParams({
        ...Object.fromEntries(hidden.map(([, name, value]) => [name, value])),
        ...fields,
      });
      const said = { origin: url, 'content-type': 'application/x-www-form-urlencoded', ...headers };
      return toPage(await send(action, { method: 'POST', body, headers: said }));
    },
    async signIn(token, next = '/') {
      const page = await browsing.get(`/login?${new URLSearchParams({ next })}`);
      return browsing.submit(page, '/login', { token });
    },
  };
  return browsing;
}
