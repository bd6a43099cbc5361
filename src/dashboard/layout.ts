import type { PageContext } from './deps.ts';
import { type Html, html, outside } from './html.ts';
import { logo, shapeDefinitions } from './shapes.ts';

export type PageParts = {
  /** For the browser's tab; the name of the product is added. */
  title: string;
  main: Html;
  /** Where the news for this page come from; null for a page that never changes. */
  live: string | null;
};

/** A whole page: its top, what it is about, and its foot. */
export function layout(c: PageContext, { title, main, live }: PageParts): Html {
  const { version, epochMs } = c.get('dashboard');
  const { path: assets, files } = c.get('assets');
  // Scripts name each other: without being told, a browser would learn of one after the other.
  const scripts = [...files.keys()].filter((name) => name.endsWith('.js') && name !== 'main.js');
  const source = live === null ? null : html` data-live="${live}"`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Taskejo</title>
<link rel="icon" href="${assets}/logo.svg" type="image/svg+xml">
<link rel="stylesheet" href="${assets}/style.css">
<script type="module" src="${assets}/main.js"></script>
${scripts.map((name) => html`<link rel="modulepreload" href="${assets}/${name}">`)}
</head>
<body data-now="${epochMs()}" data-assets="${assets}"${source}>
${shapeDefinitions()}
<a class="skip" href="#main">Skip to the content</a>
${topBar(c)}
<main id="main" tabindex="-1">${main}</main>
<footer><div class="width">${live === null ? null : liveMark()}<span class="wide-only">Times are UTC; hover for the exact one</span><span class="end">Taskejo ${version}</span>${c.get('visitor') === undefined ? null : help}</div></footer>
</body>
</html>`;
}

const help = html`<button type="button" class="plain needs-script" data-help><kbd>?</kbd> Keyboard</button>`;

const liveMark = (): Html =>
  html`<span id="live" role="status"><noscript>Reload the page for what is new</noscript></span>`;

function topBar(c: PageContext): Html {
  const visitor = c.get('visitor');
  const place = c.req.path === '/' ? html` aria-current="page"` : null;
  const links = visitor === undefined ? null : html`<nav aria-label="Pages"><a href="/"${place}>Tasks</a></nav>`;
  return html`<header class="top"><div class="width"><a class="home" href="/">${logo()}Taskejo</a>${links}${visitor === undefined ? null : html`<span class="visitor">${outside(visitor.name)}</span>`}${visitor?.signedIn ? signOut(c) : null}</div></header>`;
}

const signOut = (c: PageContext): Html =>
  html`<form method="post" action="/logout">${formField(c)}<button type="submit" class="plain">Sign out</button></form>`;

/** Every form carries it: the proof that it was made here, for this browser. */
export const formField = (c: PageContext): Html =>
  html`<input type="hidden" name="form_token" value="${c.get('access').formToken(c)}">`;
