import { expect, test } from 'vitest';
import { createApp, describeApi } from '../../../src/http/app.ts';
import type { HttpDeps } from '../../../src/http/env.ts';
import { operationsOf } from '../../support/described.ts';

const document = describeApi('1.2.3');
type Node = Record<string, unknown>;
type Parameter = { name: string; in: string; required?: boolean; schema?: Node };
const operations = operationsOf(document);
const inDocument = (method: string, path: string) =>
  (document.paths as Record<string, Record<string, Node>>)[path]?.[method.toLowerCase()] ?? {};

/** All objects of the document with where they stand. */
function* nodes(value: unknown, at = '#'): Generator<[string, Node]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [at, value as Node];
  for (const [key, member] of Object.entries(value)) yield* nodes(member, `${at}/${key}`);
}

test('the document describes every route of the program, and no other', () => {
  const { routes } = createApp({ version: '1.2.3' } as HttpDeps);
  const served = routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')}`)
    // The document itself, and the page that shows it.
    .filter((route) => !/^GET \/(?:openapi\.json|docs(?:\/style\.css)?)$/.test(route));
  expect([...new Set(served)].sort()).toEqual(operations.map(({ method, path }) => `${method} ${path}`).sort());
});

test('every parameter of a path is described, once and as required, and no other', () => {
  for (const { method, path } of operations) {
    const described = (inDocument(method, path).parameters ?? []) as Parameter[];
    const inPath = described.filter((one) => one.in === 'path');
    expect([path, inPath.map(({ name }) => name).sort()]).toEqual([
      path,
      [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort(),
    ]);
    expect(inPath.every(({ required, schema }) => required === true && schema !== undefined)).toBe(true);
    expect(new Set(described.map((one) => `${one.in} ${one.name}`)).size).toBe(described.length);
  }
});

test('no two paths differ only in the names of their parameters', () => {
  const shapes = Object.keys(document.paths ?? {}).map((path) => path.replace(/\{\w+\}/g, '{}'));
  expect(new Set(shapes).size).toBe(shapes.length);
});

test('every reference leads somewhere, ids of operations are unique, and tags are explained', () => {
  const ids = operations.flatMap(({ method, path }) => inDocument(method, path).operationId ?? []);
  expect(new Set(ids).size).toBe(ids.length);
  const explained = (document.tags ?? []).map(({ name }) => name);
  for (const { method, path } of operations) {
    for (const tag of (inDocument(method, path).tags ?? []) as string[]) expect(explained).toContain(tag);
  }
  for (const [at, node] of nodes(document)) {
    if (typeof node.$ref !== 'string') continue;
    const target = node.$ref
      .replace(/^#\//, '')
      .split('/')
      .reduce<unknown>((value, key) => (value as Node | undefined)?.[key.replaceAll('~1', '/')], document);
    expect(target, `${at} ${node.$ref}`).toBeDefined();
  }
});

test('it is OpenAPI 3.1: what 3.0 had in other words is not in it', () => {
  for (const [at, node] of nodes(document)) {
    if (at.endsWith('/properties')) continue;
    expect('nullable' in node, at).toBe(false);
    expect(typeof node.exclusiveMinimum === 'boolean' || typeof node.exclusiveMaximum === 'boolean', at).toBe(false);
  }
});

test('every answer says what it is, and has a status that HTTP has', () => {
  for (const { method, path, responses } of operations) {
    expect(
      Object.keys(responses).some((status) => /^2\d\d$/.test(status)),
      `${method} ${path}`,
    ).toBe(true);
    for (const [status, response] of Object.entries(responses)) {
      expect(status).toMatch(/^[2-5]\d\d$/);
      expect(response, `${method} ${path} ${status}`).toMatchObject({ description: expect.stringMatching(/./) });
    }
  }
});
