import type { Connection } from './connect.ts';

/** One connection and how many of its channels are in use. */
export type Link = { connection: Connection; active: number; timer: NodeJS.Timeout | null };

export type Links = {
  readonly size: number;
  add(connection: Connection): void;
  /** The fullest connection with fewer channels than `limit` in use, so that the others fall idle. */
  roomy(limit: number): Link | undefined;
  take(link: Link): void;
  giveBack(link: Link): void;
  /** Nothing new goes over it; it ends when its last channel does. */
  drop(link: Link): void;
  /** The same for all of them. */
  dropAll(): void;
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

  function forget(link: Link): void {
    links.delete(link);
    if (link.timer) clearTimeout(link.timer);
  }

  function drop(link: Link): void {
    if (!links.has(link)) return;
    forget(link);
    if (link.active === 0) link.connection.end();
  }

  function rest(link: Link): void {
    if (!links.has(link)) return void link.connection.end();
    link.timer = setTimeout(() => {
      if (link.active > 0 || links.size < 2) return;
      drop(link);
    }, idleMs);
    link.timer.unref();
  }

  return {
    get size() {
      return links.size;
    },
    add(connection) {
      const link: Link = { connection, active: 0, timer: null };
      links.add(link);
      const onEnd = () => {
        forget(link);
        onLost();
      };
      connection.client.once('end', onEnd); // it can carry nothing more, even while its closing takes its time
      connection.client.once('close', onEnd);
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
    dropAll() {
      for (const link of links) drop(link);
    },
  };
}
