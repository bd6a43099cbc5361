import type { Places } from './places.ts';

/** What a command sees of the machine, to read: its programs. */
const PROGRAMS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/opt', '/nix/store', '/gnu/store'];

/** What programs look up in /etc; the rest of it may hold what is nobody's business: keys, this agent's own file. */
const LOOKED_UP = `alternatives ca-certificates.conf gai.conf group host.conf hostname hosts ld.so.cache ld.so.conf
  ld.so.conf.d localtime locale.alias mime.types nsswitch.conf os-release passwd pki/ca-trust pki/tls/cert.pem
  pki/tls/certs profile protocols resolv.conf services shells ssl/cert.pem ssl/certs ssl/openssl.cnf terminfo timezone`
  .split(/\s+/)
  .map((name) => `/etc/${name}`);

/** Folders of the agent's, and its file: not to be seen, wherever they are. */
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
    ...hidden.folders.filter(isSeen).flatMap((path) => ['--tmpfs', path]),
    ...hidden.files.filter(isSeen).flatMap((path) => ['--ro-bind', '/dev/null', path]),
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/run', '--bind', temporary, '/tmp'],
    ...[workspace, temporary, ...files].flatMap((path) => ['--bind', path, path]),
    ...['--chdir', workspace, '--'],
  ];
}
