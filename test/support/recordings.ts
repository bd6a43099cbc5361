import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import type { DeliveryHeaders } from '../../src/forgejo/headers.ts';

const ARCHIVE = new URL('../fixtures/forgejo/deliveries.jsonl.br', import.meta.url);

export const RECORDED_SECRET = 'recorded-secret';
export const RECORDED_FORGE_URL = 'http://forge.example.org';
export const VERSIONS = ['v11', 'v15', 'v16'] as const;
export type Version = (typeof VERSIONS)[number];
export type Folder = 'deliveries' | 'deliveries-odd' | 'deliveries-out-of-order' | 'deliveries-redirected';

/** One delivery as a Forgejo server sent it; see test/fixtures/forgejo/README.md. */
export type Recording = {
  version: Version;
  folder: Folder;
  file: string;
  title: string;
  method: string;
  path: string;
  headers: [name: string, value: string][];
  body: string;
};

let archive: readonly Recording[] | null = null;

/** All deliveries recorded, of one version and folder in the order of their arrival. */
export function recordings(version?: Version, folder: Folder = 'deliveries'): readonly Recording[] {
  archive ??= brotliDecompressSync(readFileSync(ARCHIVE))
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Recording);
  return archive.filter((one) => one.folder === folder && (version === undefined || one.version === version));
}

/** What one act caused: the delivery of this title with that number among them, or of that event (`push`, `create`). */
export function recorded(version: Version, title: string, which: number | string = 0): Recording {
  const caused = recordings(version).filter((one) => one.title === title);
  const found = typeof which === 'number' ? caused[which] : caused.find((one) => one.file.slice(4).startsWith(which));
  if (found === undefined) throw new Error(`${which} is not recorded in ${version} of: ${title}`);
  return found;
}

/** The bytes that were sent. */
export const bodyOf = (recording: Recording): Uint8Array => Buffer.from(recording.body, 'utf8');

/** Headers as the server hands them on to be verified and stored. */
export function deliveryHeaders(pairs: readonly (readonly [string, string])[]): DeliveryHeaders {
  const joined = new Map<string, string>();
  for (const [name, value] of pairs) {
    const key = name.toLowerCase();
    const before = joined.get(key);
    joined.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(joined);
}
