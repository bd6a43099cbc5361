import { describe, expect, it } from 'vitest';
import { readAssets } from '../../../src/dashboard/assets.ts';

describe('what the browser loads', () => {
  const { files, path } = readAssets();
  const scripts = [...files].filter(([name]) => name.endsWith('.js'));

  it('stands under a path that changes with its content', () => {
    expect(path).toMatch(/^\/assets\/[0-9a-f]{16}$/);
    expect(readAssets().path).toBe(path);
  });

  it('is script without types, whose imports are there', () => {
    expect(scripts.map(([name]) => name)).toContain('main.js');
    for (const [, { body }] of scripts) {
      for (const [, target = ''] of body.matchAll(/from '\.\/([^']+)'/g)) expect([...files.keys()]).toContain(target);
      expect(body).not.toMatch(/from '[^.]|import\('|\beval\b|new Function|\.style\b|setAttribute\('(?:style|on)/);
    }
  });

  it('asks nothing of any other host', () => {
    for (const [, { body }] of files)
      expect(body.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:\/\//);
  });

  it('is small', () => {
    const bytes = [...files.values()].reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
    expect(bytes).toBeLessThan(50_000);
  });
});
