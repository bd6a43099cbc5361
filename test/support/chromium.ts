import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

/** What a page must never do, seen from outside; each entry is one breach. */
export type Watched = { page: Page; breaches: string[]; close(): Promise<void> };

// As root there is no sandbox of its own; the rest keeps it from looking for other hosts.
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const startChromium = (path: string): Promise<Browser> =>
  chromium.launch({ executablePath: path, args: ARGUMENTS });

type Options = NonNullable<Parameters<Browser['newContext']>[0]> & { cookies?: string };

/** For whatever a page is waited for, as long as for other facts. */
const PATIENCE_MS = 90_000;

/** A page in a fresh context, watched for breaches of the policy, errors, dialogs and requests to other hosts. */
export async function openPage(browser: Browser, url: string, options: Options = {}): Promise<Watched> {
  const { cookies, ...contextOptions } = options;
  const context: BrowserContext = await browser.newContext({ ...contextOptions, baseURL: url });
  context.setDefaultTimeout(PATIENCE_MS);
  if (cookies !== undefined) await context.addCookies(parseCookies(cookies, url));
  const page = await context.newPage();
  const breaches: string[] = [];
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) breaches.push(message.text());
  });
  page.on('pageerror', (error) => breaches.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    breaches.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== url) breaches.push(`request: ${request.url()}`);
  });
  return { page, breaches, close: () => context.close() };
}

const parseCookies = (cookies: string, url: string) =>
  cookies.split('; ').map((cookie) => {
    const [name = '', ...value] = cookie.split('=');
    return { name, value: value.join('='), url };
  });

/** How much wider than the window the page is: more than 0 has to be scrolled sideways. */
export const sidewaysPx = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
