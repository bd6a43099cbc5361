import { BlockList, isIP } from 'node:net';
import type { HttpContext } from './env.ts';

const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** Without the form that an IPv4 address has on a socket that takes both. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

/** Who is at the other end: the connection's peer, or, if that is a trusted proxy, whom it says it speaks for. */
export function clientAddress(c: HttpContext): string {
  const peer = plain(c.env.incoming.socket.remoteAddress ?? '');
  const { trustedProxies } = c.get('http');
  if (trustedProxies.length === 0 || isIP(peer) === 0) return peer;
  const trusted = blockList(trustedProxies);
  const hops = (c.req.header('x-forwarded-for') ?? '').split(',').map((hop) => plain(hop.trim()));
  // Each proxy adds the one it heard from at the end, so the first stranger from there is the caller.
  let address = peer;
  for (const hop of hops.reverse()) {
    if (!trusted.check(address, family(address)) || isIP(hop) === 0) break;
    address = hop;
  }
  return address;
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    if (bits === undefined) list.addAddress(address, family(address));
    else list.addSubnet(address, Number(bits), family(address));
  }
  return list;
}
