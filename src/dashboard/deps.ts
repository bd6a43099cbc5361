import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { Restriction } from '../domain/restriction.ts';
import type { Actor } from '../domain/task.ts';
import type { Log } from '../log.ts';
import type { SignIn } from '../usecases/access/sign-in.ts';
import type { Deps } from '../usecases/deps.ts';
import type { RefusedDeliveries } from '../usecases/forge/refused-deliveries.ts';
import type { Session } from './access/session.ts';
import type { Assets } from './assets.ts';

/** What the pages are given. */
export type DashboardDeps = {
  deps: Deps;
  signIn: SignIn;
  log: Pick<Log, 'warn' | 'error'>;
  version: string;
  /** Shared by all replicas; the keys of cookies and forms are derived from it. */
  secret: Uint8Array;
  /** What the operator has set beside the tokens in the database; null if nothing. */
  adminToken: string | null;
  /** As people reach it. Over https cookies travel by https only. */
  publicUrl: () => string;
  /** Names of the forges that may send deliveries here. */
  forges: readonly string[];
  /** Deliveries whose signature was wrong. */
  refusedDeliveries: RefusedDeliveries;
  /** Who calls from this very machine may read everything and cancel, without signing in. */
  openOnLoopback: boolean;
  /** Whose bad tokens are counted together. */
  clientAddress: (c: PageContext) => string;
  /** Milliseconds since 1970: what ages are told by, and when sessions end. */
  epochMs: () => number;
  /** Fires when the server begins to stop: streams end. */
  stopping: AbortSignal;
};

/** Who looks at a page. */
export type Visitor = {
  name: string;
  /** May cancel, not only read. */
  mayAct: boolean;
  /** Who stands in the history as having done what is done here. */
  actor: Actor;
  /** The tasks that there are for it; null: all. */
  restriction: Restriction | null;
  /** By a token; else it is somebody on this machine, of whom none is asked for. */
  signedIn: boolean;
};

/** What the pages know of a browser: by what it is signed in, and which forms were made for it. */
export type Access = {
  session(c: PageContext): Session | null;
  begin(c: PageContext, tokenId: string): void;
  end(c: PageContext): void;
  /** The text for the hidden field of a form. */
  formToken(c: PageContext): string;
  /** Throws `forbidden` for a form that we didn't make for this browser, or that another site sends. */
  checkForm(c: PageContext, fields: Record<string, unknown>): void;
};

export type PageEnv = {
  Bindings: HttpBindings;
  Variables: {
    dashboard: DashboardDeps;
    access: Access;
    assets: Assets;
    /** Who looks; set on every page but that of signing in. */
    visitor: Visitor;
  };
};
export type PageContext = Context<PageEnv>;
