import { BlockList, isIP } from 'node:net';

export type ListenAddress = { host: string; port: number };

/** `HOST:PORT` or `[IPv6]:PORT`; null when it is neither. Port 0 asks the system for a free one. */
export function parseListen(text: string): ListenAddress | null {
  const match = /^(?:\[([^\]]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535) return null;
  return match?.[1] !== undefined && isIP(host) !== 6 ? null : { host, port };
}

/** Can only programs on this machine reach the address? */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const family = isIP(host);
  if (family === 0) return false;
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** An address, or a network as `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const family = isIP(match?.[1] ?? '');
  return family !== 0 && Number(match?.[2] ?? 0) <= (family === 6 ? 128 : 32);
}
