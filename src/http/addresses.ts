import { BlockList, isIP } from 'node:net';
import type { HttpBindings } from '@hono/node-server';
import type { HonoRequest } from 'hono';

/** What is asked of a request to know where it came from. */
type Asked = { env: HttpBindings; req: Pick<HonoRequest, 'header'> };

const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** Without the form that an IPv4 address has on a socket that takes both. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

/**
 * Tells who is at the other end: the connection's peer or, if that is a trusted proxy (an address or a network), whom
 * it says it speaks for.
 */
export function createClientAddress(trustedProxies: readonly string[]): (request: Asked) => string {
  const trusted = blockList(trustedProxies);
  return ({ env, req }) => {
    let address = plain(env.incoming.socket.remoteAddress ?? '');
    if (trustedProxies.length === 0) return address;
    const hops = (req.header('x-forwarded-for') ?? '').split(',').map((hop) => plain(hop.trim()));
    // Each proxy adds the one it heard from at the end, so the first stranger from there is the caller.
    for (const hop of hops.reverse()) {
      if (isIP(address) === 0 || isIP(hop) === 0 || !trusted.check(address, family(address))) break;
      address = hop;
    }
    return address;
  };
}

/** Whether an address is in one of these networks. What one list means is worked out once. */
export function isInNetworks(address: string, networks: readonly string[]): boolean {
  const list = known.get(networks) ?? blockList(networks);
  known.set(networks, list);
  return isIP(address) !== 0 && list.check(address, family(address));
}
const known = new WeakMap<readonly string[], BlockList>();

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    if (bits === undefined) list.addAddress(address, family(address));
    else list.addSubnet(address, Number(bits), family(address));
  }
  return list;
}
