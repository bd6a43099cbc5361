import { beforeAll, describe, expect, it } from 'vitest';
import { describeApi } from '../../../src/http/app.ts';
import { docsPage } from '../../../src/http/docs-page.ts';

const document = describeApi('1.2.3');

describe('the document of the API', () => {
  it('is OpenAPI 3.1 of this version, with a place for each reference', () => {
    expect(document).toMatchObject({ openapi: '3.1.0', info: { title: 'Taskejo', version: '1.2.3' } });
    const names = Object.keys(document.components?.schemas ?? {});
    const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
      ([, name]) => name,
    );
    expect(references.length).toBeGreaterThan(20);
    expect([...new Set(references)].filter((name) => !names.includes(name ?? ''))).toEqual([]);
  });

  it('says of every operation what it is for, who may use it, and how it fails', () => {
    for (const [path, item] of Object.entries(document.paths ?? {})) {
      for (const [method, operation] of Object.entries(item as Record<string, Record<string, unknown>>)) {
        const at = `${method} ${path}`;
        expect([at, operation.summary]).toEqual([at, expect.any(String)]);
        expect(Object.keys(operation.responses as object), at).toContain('500');
        if (path.startsWith('/api/')) {
          expect(operation, at).toMatchObject({
            security: [{ token: [] }],
            description: expect.stringMatching(/For: /),
          });
          expect(Object.keys(operation.responses as object), at).toEqual(expect.arrayContaining(['401', '403', '503']));
        }
      }
    }
  });
});

describe('the page of the API', () => {
  let page: string;
  let policy: string | null;
  beforeAll(async () => {
    const response = await docsPage(document).request('/docs');
    page = await response.text();
    policy = response.headers.get('content-security-policy');
  });

  it('names every operation', () => {
    for (const [path, item] of Object.entries(document.paths ?? {})) {
      for (const method of Object.keys(item as object)) expect(page).toContain(`${method.toUpperCase()} ${path}`);
    }
  });

  it('needs nothing from elsewhere and no script', async () => {
    const addresses = [...page.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, address]) => address ?? '');
    expect(addresses.filter((address) => !/^(?:#|\/)[\w./-]*$/.test(address))).toEqual([]);
    expect(page).not.toMatch(/<script|style=/);
    expect(policy).toBe(
      "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    const style = await docsPage(document).request('/docs/style.css');
    expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8');
  });
});
