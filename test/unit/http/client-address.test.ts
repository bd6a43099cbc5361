import type { HttpBindings } from '@hono/node-server';
import { describe, expect, it } from 'vitest';
import { createClientAddress } from '../../../src/http/addresses.ts';

const asked = (remoteAddress: string | undefined, forwarded?: string) => ({
  env: { incoming: { socket: { remoteAddress } } } as unknown as HttpBindings,
  req: { header: (() => forwarded) as never },
});
const addressOf = (trusted: string[], peer: string | undefined, forwarded?: string) =>
  createClientAddress(trusted)(asked(peer, forwarded));

describe('who is at the other end', () => {
  it.each([
    ['the peer, whatever it says, when it is no trusted proxy', [], '198.51.100.7', '203.0.113.9', '198.51.100.7'],
    ['whom a trusted proxy speaks for', ['198.51.100.7'], '198.51.100.7', '203.0.113.9', '203.0.113.9'],
    ['whom a proxy of a trusted network speaks for', ['198.51.100.0/24'], '198.51.100.9', '203.0.113.9', '203.0.113.9'],
    ['the same over IPv6', ['2001:db8::/32', '::1'], '2001:db8::5', '2001:db9::1', '2001:db9::1'],
    [
      'an IPv4 address in the form of a socket that takes both',
      ['127.0.0.1'],
      '::ffff:127.0.0.1',
      '10.1.2.3',
      '10.1.2.3',
    ],
    [
      'the last stranger: what stands before it can be made up',
      ['127.0.0.1'],
      '127.0.0.1',
      '1.1.1.1, 9.9.9.9',
      '9.9.9.9',
    ],
    [
      'the first of several trusted ones in a row',
      ['127.0.0.1', '10.0.0.1'],
      '127.0.0.1',
      '9.9.9.9,10.0.0.1',
      '9.9.9.9',
    ],
    ['the proxy itself when it says what is no address', ['127.0.0.1'], '127.0.0.1', 'unknown', '127.0.0.1'],
    ['nobody that is known when the connection is gone', ['127.0.0.1'], undefined, '9.9.9.9', ''],
  ])('is %s', (_, trusted, peer, forwarded, expected) => {
    expect(addressOf(trusted, peer, forwarded)).toBe(expected);
  });
});
