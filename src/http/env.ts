import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { Principal } from '../domain/token.ts';
import type { Log } from '../log.ts';
import type { IntakeConfig } from '../usecases/accept-delivery.ts';
import type { Deps } from '../usecases/deps.ts';
import type { SignIn } from '../usecases/sign-in.ts';
import type { TaskDefaults } from '../usecases/task-request.ts';

/** What all routes are given. */
export type HttpDeps = {
  deps: Deps;
  signIn: SignIn;
  log: Log;
  installation: { id: string; generation: number };
  version: string;
  templates: TaskDefaults['templates'];
  forges: readonly Forge[];
  rules: IntakeConfig['rules'];
  /** Proxies whose word about the caller's address is taken: addresses and networks. */
  trustedProxies: readonly string[];
  /** Fires when the server begins to stop: who waits is answered, streams end. */
  stopping: AbortSignal;
};

type Forge = IntakeConfig['forge'];

export type HttpEnv = {
  Bindings: HttpBindings;
  Variables: {
    http: HttpDeps;
    requestId: string;
    /** Whose credential the request carries; set where one is asked for. */
    principal: Principal;
  };
};
export type HttpContext = Context<HttpEnv>;
