import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { Principal } from '../domain/token.ts';
import type { Log } from '../log.ts';
import type { SignIn } from '../usecases/access/sign-in.ts';
import type { LetInstanceIn } from '../usecases/agents/let-instance-in.ts';
import type { Completed, Completion } from '../usecases/attempt/completion.ts';
import type { Create } from '../usecases/create/create-task.ts';
import type { TaskDefaults } from '../usecases/create/task-request.ts';
import type { Deps } from '../usecases/deps.ts';
import type { Dequeues } from '../usecases/dequeue/dequeue.ts';
import type { EventFeed } from '../usecases/feed/event-feed.ts';
import type { StatisticsReader } from '../usecases/figures/statistics.ts';
import type { IntakeConfig } from '../usecases/forge/accept-delivery.ts';
import type { RefusedDeliveries } from '../usecases/forge/refused-deliveries.ts';
import type { createClientAddress } from './addresses.ts';

/** What HTTP tells of itself, and where all figures are asked for. */
export type HttpMetrics = {
  answered(method: string, route: string, status: number, seconds: number): void;
  text(): Promise<string>;
  readonly contentType: string;
};

/** What all routes are given. */
export type HttpDeps = {
  deps: Deps;
  dequeues: Dequeues;
  /** Each makes together what is asked for together. */
  create: Create;
  complete: (completion: Completion) => Promise<Completed>;
  signIn: SignIn;
  letInstanceIn: LetInstanceIn;
  /** All that happens, for those who follow it. */
  feed: EventFeed;
  statistics: StatisticsReader;
  metrics: HttpMetrics;
  /** Those whose signature was wrong. */
  refusedDeliveries: RefusedDeliveries;
  /** Anybody may read the metrics. */
  openMetrics: boolean;
  log: Log;
  installation: { id: string; generation: number };
  version: string;
  templates: TaskDefaults['templates'];
  forges: readonly Forge[];
  rules: IntakeConfig['rules'];
  clientAddress: ReturnType<typeof createClientAddress>;
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
