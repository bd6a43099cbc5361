import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));

type Manifest = { version?: string; dependencies?: Record<string, string> };
const manifest = (path: string): Manifest => JSON.parse(readFileSync(`${FOLDER}${path}`, 'utf8'));

function isInstalled(): boolean {
  try {
    const wanted = Object.entries(manifest('package.json').dependencies ?? {});
    return wanted.every(([name, version]) => manifest(`node_modules/${name}/package.json`).version === version);
  } catch {
    return false;
  }
}

/** Installs the peers when they are missing; answers why there are none, or null. Nothing else in the project needs them. */
export function installPeers(say: (text: string) => void): string | null {
  if (isInstalled()) return null;
  say('installing graphile-worker and pg-boss for the benchmark alone: npm ci --prefix bench');
  const { status, stderr } = spawnSync('npm', ['ci', '--prefix', FOLDER, '--loglevel', 'error'], { encoding: 'utf8' });
  return status === 0 && isInstalled()
    ? null
    : `npm ci --prefix bench failed (${stderr?.trim().split('\n')[0] ?? 'npm is missing'})`;
}
