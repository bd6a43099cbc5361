import { readFileSync } from 'node:fs';
import type { Config } from '../config.ts';
import { createDashboard } from '../dashboard/index.ts';
import { createClientAddress, isInNetworks } from '../http/addresses.ts';
import { createApp } from '../http/app.ts';
import { type Listening, listen } from '../http/listen.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { noteRefusedLogin } from '../usecases/access/note-refused-login.ts';
import { createSignIn, type Refusal } from '../usecases/access/sign-in.ts';
import { createLetInstanceIn } from '../usecases/agents/let-instance-in.ts';
import { createComplete } from '../usecases/attempt/complete-attempt.ts';
import { createCreate } from '../usecases/create/create-task.ts';
import type { Deps } from '../usecases/deps.ts';
import { createDequeues } from '../usecases/dequeue/dequeue.ts';
import { createEventFeed } from '../usecases/feed/event-feed.ts';
import { createFigures } from '../usecases/figures/read-figures.ts';
import { createStatistics } from '../usecases/figures/statistics.ts';
import { createRefusedDeliveries } from '../usecases/forge/refused-deliveries.ts';
import type { Installation } from '../usecases/upkeep/prepare-installation.ts';
import type { Pools } from './database.ts';

type Http = { listening: Listening; publicUrl: () => string };

/** The API, and the pages for people beside it. */
export async function startHttp(
  config: Config,
  deps: Deps,
  { metrics, pools }: { metrics: Metrics; pools: Pools },
  installation: Installation,
  log: Log,
  stopping: AbortSignal,
): Promise<Http> {
  const { adminToken, forgejo } = config;
  const nowMs = () => performance.now();
  const dequeues = createDequeues(deps);
  stopping.addEventListener('abort', dequeues.stop, { once: true });
  const feed = createEventFeed(deps);
  metrics.readFrom({
    figures: createFigures(deps, nowMs),
    waiting: dequeues.waiting,
    feedFollowers: feed.followers,
    pools,
  });
  const common = {
    deps,
    dequeues,
    complete: createComplete(deps),
    create: createCreate(deps),
    signIn: createSignIn(deps, {
      adminToken,
      badTokensPerMinute: config.http.badTokensPerMinute,
      isInNetworks,
      installationId: installation.id,
      clockMs: Date.now,
      onRefused: (refusal) => noteRefusal(deps, log, refusal),
      nowMs,
    }),
    letInstanceIn: createLetInstanceIn(deps),
    feed,
    metrics,
    refusedDeliveries: createRefusedDeliveries(() => Date.now()),
    openMetrics: config.metrics.open,
    statistics: createStatistics(deps, { ...config.statistics, nowMs }),
    log,
    version: version(),
    clientAddress: createClientAddress(config.trustedProxies),
    stopping,
  };
  let url = '';
  const publicUrl = () => config.publicUrl ?? url;
  const pages = createDashboard({
    ...common,
    secret: installation.secret,
    adminToken,
    publicUrl,
    forges: forgejo.forges.map(({ name }) => name),
    openOnLoopback: config.pages.openOnLoopback,
    epochMs: () => Date.now(),
  });
  const app = createApp({ ...common, ...forgejo, installation }, pages);
  const listening = await listen(app, { ...config.listen, maxConnections: config.http.connections });
  url = listening.url;
  return { listening, publicUrl };
}

/** Beside the answer, which doesn't wait for it. */
function noteRefusal(deps: Deps, log: Log, refusal: Refusal): void {
  noteRefusedLogin(deps, refusal).catch((error: unknown) => {
    log.warn({ err: error, ...refusal }, 'a refused login could not be recorded');
  });
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
