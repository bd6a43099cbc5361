import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { AgentError } from './exit.ts';

const OTHERS = 0o077;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_WRONLY } = constants;

/** Makes the folder, or checks the one that is there: ours, and nobody else's business. */
export function ensurePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stat = lstatSync(path);
    if (!stat.isDirectory()) throw new AgentError(`${path} is not a folder`);
    refuseForeign(path, stat.uid);
    if (stat.mode & OTHERS) chmodSync(path, 0o700);
  } catch (error) {
    throw refused(path, error);
  }
}

/** The text of a private file, null where there is none. Links are not followed. */
export const readPrivateFile = (path: string): string | null =>
  openPrivate(path, O_RDONLY, (file) => readFileSync(file, 'utf8'));

/** Checks a private file that somebody else makes and opens; one that is not there is fine. */
export function checkPrivateFile(path: string): void {
  openPrivate(path, O_RDONLY, () => {});
}

/** Makes a private file where there is none, so that whoever opens it by name later finds ours, and no link. */
export function ensurePrivateFile(path: string): void {
  openPrivate(path, O_RDWR | O_CREAT, () => {});
}

/** Writes a private file whole, or leaves what was there; it is on the disk when this returns. */
export function writePrivateFile(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.${crypto.randomUUID()}`;
  try {
    const file = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw refused(path, error);
  }
}

function openPrivate<T>(path: string, flags: number, use: (file: number) => T): T | null {
  let file: number | null = null;
  try {
    file = openSync(path, flags | O_NOFOLLOW, 0o600);
    checkOpen(path, file);
    return use(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw refused(path, error);
  } finally {
    if (file !== null) closeSync(file);
  }
}

function checkOpen(path: string, file: number): void {
  const stat = fstatSync(file);
  refuseForeign(path, stat.uid);
  if (!stat.isFile()) throw new AgentError(`${path} is not a file`);
  if (stat.mode & OTHERS) fchmodSync(file, 0o600);
}

function refuseForeign(path: string, uid: number): void {
  if (process.getuid !== undefined && uid !== process.getuid()) throw new AgentError(`${path} belongs to another user`);
}

function syncFolder(path: string): void {
  const folder = openSync(path, O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

const REASONS: Record<string, string> = {
  EACCES: 'permission denied',
  ELOOP: 'it is a link',
  ENOSPC: 'the disk is full',
  EROFS: 'the disk is read-only',
};

function refused(path: string, error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new AgentError(`cannot use ${path}: ${REASONS[code ?? ''] ?? message}`, undefined, { cause: error });
}
