import { networkInterfaces } from 'node:os';
import { Hono } from 'hono';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { createApp } from '../../src/http/app.ts';
import { ListenError, type ListenOptions, listen } from '../../src/http/listen.ts';

const app = new Hono().get('/', (c) => c.text('here')) as unknown as ReturnType<typeof createApp>;
const serve = async (options: ListenOptions) => {
  const listening = await listen(app, options);
  onTestFinished(() => listening.stop(100));
  return listening;
};
const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

describe('the address that is listened on', () => {
  test.skipIf(!hasIpv6)('is one that a browser understands, in brackets for IPv6', async () => {
    const { url } = await serve({ host: '::1', port: 0 });
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect(await (await fetch(url)).text()).toBe('here');
  });

  test('is refused in one sentence when another program has it', async () => {
    const { url } = await serve({ host: '127.0.0.1', port: 0 });
    const port = Number(new URL(url).port);
    const refusal = serve({ host: '127.0.0.1', port });
    await expect(refusal).rejects.toThrow(ListenError);
    await expect(refusal).rejects.toThrow(`Port ${port} of 127.0.0.1 is taken by another program.`);
  });

  test('is refused in one sentence when this machine does not have it', async () => {
    // Reserved for documentation: no machine has it.
    await expect(serve({ host: '192.0.2.1', port: 0 })).rejects.toThrow('192.0.2.1 is not an address of this machine.');
  });
});
