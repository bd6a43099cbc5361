import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';

export type Asset = { type: string; body: string };
/** What the browser loads besides pages: by name, all under one path that changes with any of them. */
export type Assets = { files: ReadonlyMap<string, Asset>; path: string };

const SCRIPT = 'text/javascript; charset=utf-8';
const STYLE = 'text/css; charset=utf-8';
const PICTURE = 'image/svg+xml';

/** The style, the logo and the browser's scripts, whose types are taken off here. */
export function readAssets(): Assets {
  const files = new Map<string, Asset>();
  files.set('style.css', { type: STYLE, body: styles() });
  files.set('logo.svg', { type: PICTURE, body: text('assets/logo.svg') });
  for (const file of names('client', '.ts')) {
    files.set(file.replace(/\.ts$/, '.js'), { type: SCRIPT, body: script(text(`client/${file}`)) });
  }
  const hash = createHash('sha256');
  for (const [name, { body }] of files) hash.update(`${name}\0${body}\0`);
  return { files, path: `/assets/${hash.digest('hex').slice(0, 16)}` };
}

const script = (source: string): string =>
  stripTypeScriptTypes(source).replaceAll(/(from '\.\/[a-z-]+)\.ts'/g, "$1.js'");

const styles = (): string =>
  names('assets', '.css')
    .map((file) => text(`assets/${file}`))
    .join('\n');

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const text = (path: string): string => readFileSync(pathOf(path), 'utf8');
const names = (folder: string, ending: string): string[] =>
  readdirSync(pathOf(folder))
    .filter((name) => name.endsWith(ending))
    .sort();
