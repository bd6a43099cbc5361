import { Hono } from 'hono';
import { html } from 'hono/html';
import { fieldTable, limitsOf, type Schema, typeOf } from './docs-schema.ts';
import { DOCS_STYLE } from './docs-style.ts';
import type { HttpEnv } from './env.ts';
import type { OpenApiDocument } from './openapi.ts';

type Content = Readonly<Record<string, { schema?: Schema }>>;
type Operation = {
  summary?: string;
  description?: string;
  tags?: readonly string[];
  parameters?: readonly { name: string; in: string; required?: boolean; schema?: Schema }[];
  requestBody?: { content: Content };
  responses: Readonly<Record<string, { description: string; content?: Content }>>;
};
type Place = { method: string; path: string; operation: Operation };
type Markup = ReturnType<typeof html>;

const POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The document of the API for people, made here and in need of nothing from elsewhere. */
export function docsPage(document: OpenApiDocument): Hono<HttpEnv> {
  const page = render(document);
  return new Hono<HttpEnv>()
    .get('/docs', (c) => c.html(page, 200, { 'Content-Security-Policy': POLICY }))
    .get('/docs/style.css', (c) => c.body(DOCS_STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' }));
}

function render({ info, tags, paths, components }: OpenApiDocument) {
  const places = placesOf(paths ?? {});
  const schemas = Object.entries((components?.schemas ?? {}) as Record<string, Schema>);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${info.title}: API</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<header><h1>${info.title} <small>API ${info.version}</small></h1>
${paragraphs(info.description ?? '')}
<p>The same for programs: <a href="/openapi.json">openapi.json</a>.</p>
<nav>${(tags ?? []).map(({ name }) => html`<a href="#${name}">${name}</a> `)}<a href="#schemas">schemas</a></nav></header>
<main>${(tags ?? []).map(({ name, description }) => section(name, description ?? '', places))}
<section id="schemas"><h2>Schemas</h2>
${schemas.map(([name, schema]) => html`<article id="schema-${name}"><h3>${name}</h3>${fieldTable(schema)}</article>`)}
</section></main>
</body>
</html>`;
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

const placesOf = (paths: NonNullable<OpenApiDocument['paths']>): Place[] =>
  Object.entries(paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method] as Operation | undefined;
      return operation === undefined ? [] : [{ method: method.toUpperCase(), path, operation }];
    }),
  );

const section = (tag: string, description: string, places: readonly Place[]): Markup => html`
<section id="${tag}"><h2>${tag}</h2><p>${description}</p>
${places.filter(({ operation }) => operation.tags?.includes(tag)).map(article)}</section>`;

const article = ({ method, path, operation }: Place): Markup => html`
<article><h3><code>${method} ${path}</code></h3>
<p><strong>${operation.summary ?? ''}</strong></p>
${paragraphs(operation.description ?? '')}
${parameterTable(operation)}
${body(operation.requestBody?.content)}
<table><thead><tr><th>answer</th><th>body</th><th></th></tr></thead><tbody>
${Object.entries(operation.responses).map(([status, response]) => answer(status, response.description, response.content))}
</tbody></table></article>`;

const answer = (status: string, description: string, content: Content | undefined): Markup => {
  const kinds = Object.entries(content ?? {}).map(([type, { schema = {} }]) => kind(type, schema));
  return html`<tr><td><code>${status}</code></td><td>${kinds.join(' or ')}</td><td>${description}</td></tr>`;
};

const kind = (type: string, schema: Schema): string => (type.endsWith('json') ? typeOf(schema) : type);

function parameterTable({ parameters = [] }: Operation): Markup {
  if (parameters.length === 0) return html``;
  const rows = parameters.map(({ name, in: where, required, schema = {} }) => {
    const notes = [where, required ? 'required' : '', limitsOf(schema), schema.description ?? ''].filter(Boolean);
    return html`<tr><td><code>${name}</code></td><td>${typeOf(schema)}</td><td>${notes.join('; ')}</td></tr>`;
  });
  return html`<table><thead><tr><th>parameter</th><th>type</th><th></th></tr></thead><tbody>${rows}</tbody></table>`;
}

const body = (content: Content | undefined): Markup => {
  const [first] = Object.entries(content ?? {});
  if (first === undefined) return html``;
  const [type, { schema = {} }] = first;
  return html`<p>Body: <code>${type}</code></p>${fieldTable(schema)}`;
};

const paragraphs = (text: string): Markup[] =>
  text
    .split('\n\n')
    .filter(Boolean)
    .map((part) => html`<p>${part.replaceAll('`', '')}</p>`);
