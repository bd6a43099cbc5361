import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * How commands on the same machine find the server that uses a `data_dir`. A pid may be somebody else's by now, so when
 * its process began stands beside it.
 */

const fileIn = (dataDir: string): string => join(dataDir, 'server.pid');

/** Null: there is no such process, or the machine doesn't tell. */
function beganAt(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** Notes that this process is the server; answers what takes the note away. Throws when it can't be written. */
export function noteServer(dataDir: string): () => void {
  const file = fileIn(dataDir);
  const note = `${process.pid} ${beganAt(process.pid)}\n`;
  const made = mkdirSync(dataDir, { recursive: true, mode: 0o700 }) !== undefined;
  writeFileSync(`${file}.${process.pid}`, note);
  renameSync(`${file}.${process.pid}`, file);
  return () => {
    try {
      if (readFileSync(file, 'utf8') === note) rmSync(file);
      if (made) rmdirSync(dataDir);
    } catch {
      // it is gone, or another server's; or something else is kept there
    }
  };
}

/** The pid of the server that runs with this folder; null: none does, or nobody can tell. */
export function findServer(dataDir: string): number | null {
  try {
    const [pid = '', began = ''] = readFileSync(fileIn(dataDir), 'utf8').trim().split(' ');
    return /^\d+$/.test(pid) && beganAt(Number(pid)) === began ? Number(pid) : null;
  } catch {
    return null;
  }
}
