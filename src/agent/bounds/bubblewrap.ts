import { realpathSync } from 'node:fs';
import type { Places } from './places.ts';

/** What a command sees of the machine, to read: its programs. */
const PROGRAMS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/opt', '/nix/store', '/gnu/store'];

/** What programs look up in /etc; the rest of it may hold what is nobody's business: keys, this agent's own file. */
const LOOKED_UP = `alternatives ca-certificates.conf gai.conf group host.conf hostname hosts ld.so.cache ld.so.conf
  ld.so.conf.d localtime locale.alias mime.types nsswitch.conf os-release passwd pki/ca-trust pki/tls/cert.pem
  pki/tls/certs profile protocols resolv.conf services shells ssl/cert.pem ssl/certs ssl/openssl.cnf terminfo timezone`
  .split(/\s+/)
  .map((name) => `/etc/${name}`);

/** Folders of the agent's, its file, its secrets, its socket: not to be seen, wherever they are. */
export type Hidden = { folders: readonly string[]; files: readonly string[] };

/** Whether a command that is shut in sees a path of the machine, as it is there. */
export const isSeen = (path: string): boolean => PROGRAMS.some((one) => path.startsWith(`${one}/`));

/**
 * The arguments that shut a command in: of the machine's files it sees programs and its own folders, of the machine's
 * processes its own. The network is the machine's, since there is the server.
 */
export function bubblewrapArguments(
  program: string,
  hidden: Hidden,
  { workspace, temporary, files }: Places,
): string[] {
  return [
    ...[program, '--unshare-all', '--share-net', '--cap-drop', 'ALL'],
    ...[...PROGRAMS, ...LOOKED_UP].flatMap((path) => ['--ro-bind-try', path, path]),
    ...namesInside(hidden.folders).flatMap((name) => ['--tmpfs', name]),
    ...namesInside(hidden.files).flatMap((name) => ['--ro-bind', '/dev/null', name]),
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/run', '--bind', temporary, '/tmp'],
    ...[workspace, temporary, ...files].flatMap((path) => ['--bind', path, path]),
    ...['--chdir', workspace, '--'],
  ];
}

/** By which names the paths are seen from inside: one folder of the machine may be shown under several. */
function namesInside(paths: readonly string[]): string[] {
  const shown = [...PROGRAMS, ...LOOKED_UP].flatMap((name) => placed(name));
  return paths
    .flatMap((path) => placed(path))
    .flatMap(({ real }) => {
      const within = shown.filter((one) => `${real}/`.startsWith(`${one.real}/`));
      return within.map((one) => one.name + real.slice(one.real.length));
    });
}

/** Where a path leads; none where there is nothing. */
function placed(name: string): { name: string; real: string }[] {
  try {
    return [{ name, real: realpathSync(name) }];
  } catch {
    return [];
  }
}
