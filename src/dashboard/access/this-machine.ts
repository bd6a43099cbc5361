import type { PageContext } from '../deps.ts';

const LOOPBACK_ADDRESS = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/i;
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/**
 * Whether a request was made on this machine, for this machine: the connection comes from loopback, no proxy speaks for
 * somebody else, and the page was asked for by a name that nobody can point here from outside.
 */
export function fromThisMachine(c: PageContext): boolean {
  const peer = c.env?.incoming?.socket.remoteAddress ?? '';
  if (FORWARDED.some((name) => c.req.header(name) !== undefined)) return false;
  return LOOPBACK_ADDRESS.test(peer) && LOOPBACK_HOST.test(c.req.header('host') ?? '');
}
