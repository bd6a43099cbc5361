import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A way to a TCP port on which links break as networks break them. */
export type LinkProxy = {
  port: number;
  /** Where links lead that are begun from now on: to another machine under the same address. */
  leadTo(port: number): void;
  /** How many links were begun, and how many are open. */
  begun(): number;
  open(): number;
  /** Resets all links that are open. */
  cut(): void;
  /** The far end says good-bye on all links that are open; the near end may go on talking. */
  finish(): void;
  /**
   * On links that are open, and with `forAll` on those begun later, nothing passes any more, not even their end. Answers
   * how to let all of it pass again, what was held back too.
   */
  stall(forAll?: boolean): () => void;
};

type Link = { near: Socket; far: Socket };

export async function startLinkProxy(target: number): Promise<LinkProxy> {
  let port = target;
  let begun = 0;
  let stalled = false;
  const links = new Set<Link>();
  const pass = ({ near, far }: Link, go: boolean) => {
    for (const socket of [near, far]) go ? socket.resume() : socket.pause();
  };
  // Half-open, so that on a stalled link not even the farewell of one end is answered.
  const server = createServer({ allowHalfOpen: true }, (near) => {
    begun += 1;
    const link = { near, far: connect({ host: '127.0.0.1', port, allowHalfOpen: true }) };
    links.add(link);
    join(link, () => links.delete(link));
    pass(link, !stalled);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const { near, far } of links) {
      near.resetAndDestroy();
      far.destroy();
    }
  };
  onTestFinished(() => {
    server.close();
    cut();
  });
  return {
    port: (server.address() as AddressInfo).port,
    leadTo: (other) => {
      port = other;
    },
    begun: () => begun,
    open: () => links.size,
    cut,
    finish: () => {
      for (const { near } of links) near.end();
    },
    stall(forAll = false) {
      stalled = forAll;
      for (const link of links) pass(link, false);
      return () => {
        stalled = false;
        for (const link of links) pass(link, true);
      };
    },
  };
}

function join({ near, far }: Link, onClosed: () => void): void {
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    from.on('data', (chunk: Buffer) => {
      if (to.writable) to.write(chunk);
    });
    from.on('end', () => to.end());
    from.on('error', () => {});
    from.on('close', () => {
      to.destroy();
      onClosed();
    });
  }
}
