import type { Client } from 'ssh2';

/** One connection and how many of its channels are in use. */
export type Link = { client: Client; active: number; timer: NodeJS.Timeout | null };

export type Links = {
  readonly size: number;
  add(client: Client): void;
  /** The fullest connection with fewer channels than `limit` in use, so that the others fall idle. */
  roomy(limit: number): Link | undefined;
  take(link: Link): void;
  giveBack(link: Link): void;
  /** Nothing new goes over it; it ends when its last channel does. */
  drop(link: Link): void;
  close(): void;
};

export type LinksOptions = {
  /** A connection beyond the first that nobody used for so long is ended. */
  idleMs: number;
  /** Told when a connection has ended by itself. */
  onLost: () => void;
};

/** The connections to one host. */
export function createLinks({ idleMs, onLost }: LinksOptions): Links {
  const links = new Set<Link>();

  function drop(link: Link): void {
    links.delete(link);
    if (link.timer) clearTimeout(link.timer);
  }

  function rest(link: Link): void {
    if (!links.has(link)) return void link.client.end();
    link.timer = setTimeout(() => {
      if (link.active > 0 || links.size < 2) return;
      drop(link);
      link.client.end();
    }, idleMs);
    link.timer.unref();
  }

  return {
    get size() {
      return links.size;
    },
    add(client) {
      const link: Link = { client, active: 0, timer: null };
      links.add(link);
      const onEnd = () => {
        drop(link);
        onLost();
      };
      client.once('end', onEnd); // it can carry nothing more, even while its closing takes its time
      client.once('close', onEnd);
    },
    roomy(limit) {
      const free = [...links].filter((link) => link.active < limit);
      return free.sort((a, b) => b.active - a.active)[0];
    },
    take(link) {
      link.active += 1;
      if (link.timer) clearTimeout(link.timer);
    },
    giveBack(link) {
      link.active -= 1;
      if (link.active === 0) rest(link);
    },
    drop,
    close() {
      for (const link of links) {
        drop(link);
        link.client.end();
      }
    },
  };
}
