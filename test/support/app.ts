import { createDashboard } from '../../src/dashboard/index.ts';
import { NO_SECRETS, type Secrets } from '../../src/domain/secrets.ts';
import type { Settings } from '../../src/domain/settings.ts';
import type { Scope } from '../../src/domain/token.ts';
import { forgeSchema, type Rule, ruleSchema, templateSchema } from '../../src/forgejo/config-schema.ts';
import { compileSettings } from '../../src/forgejo/configuration.ts';
import { createClientAddress, isInNetworks } from '../../src/http/addresses.ts';
import { createApp } from '../../src/http/app.ts';
import { listen } from '../../src/http/listen.ts';
import { createMetrics } from '../../src/metrics.ts';
import { openDatabase } from '../../src/store/pool.ts';
import { createToken } from '../../src/usecases/access/create-token.ts';
import { noteRefusedLogin } from '../../src/usecases/access/note-refused-login.ts';
import { createSignIn } from '../../src/usecases/access/sign-in.ts';
import { createLetInstanceIn } from '../../src/usecases/agents/let-instance-in.ts';
import { createComplete } from '../../src/usecases/attempt/complete-attempt.ts';
import { createCreate } from '../../src/usecases/create/create-task.ts';
import type { Deps } from '../../src/usecases/deps.ts';
import { createDequeues } from '../../src/usecases/dequeue/dequeue.ts';
import { createEventFeed, type EventFeed } from '../../src/usecases/feed/event-feed.ts';
import { createFigures } from '../../src/usecases/figures/read-figures.ts';
import { createStatistics } from '../../src/usecases/figures/statistics.ts';
import { createRefusedDeliveries } from '../../src/usecases/forge/refused-deliveries.ts';
import { prepareInstallation } from '../../src/usecases/upkeep/prepare-installation.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { createTestDeps } from './deps.ts';

export const ADMIN_TOKEN = 'the-admin-token-of-the-test-server';

export type TestAppOptions = {
  /** Another replica, on the database of this one. */
  beside?: TestApp;
  settings?: Partial<Settings>;
  forges?: readonly unknown[];
  templates?: readonly unknown[];
  rules?: readonly unknown[];
  badTokensPerMinute?: number;
  statisticsCacheSeconds?: number;
  /** The clock by which figures of the metrics become old. */
  figuresNowMs?: () => number;
  /** The clock by which tokens that agents sign are judged. */
  clockMs?: () => number;
  openMetrics?: boolean;
  trustedProxies?: readonly string[];
  secrets?: Secrets;
  /** As people reach it; where it listens unless said. */
  publicUrl?: string;
  openOnLoopback?: boolean;
};

export type Call = {
  token?: string | null;
  /** Sent as JSON; a string or bytes are sent as they are. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
};
// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the test is about
export type Answer = { status: number; headers: Headers; text: string; json: any };

export type TestApp = {
  url: string;
  deps: Deps;
  feed: EventFeed;
  database: TestDatabase;
  logged: { level: string; fields: Record<string, unknown>; message: string }[];
  /** A request with the admin's token, unless another or none is said. */
  call(method: string, path: string, call?: Call): Promise<Answer>;
  fetch(method: string, path: string, call?: Call): Promise<Response>;
  /** A new token of a scope; one for an agent makes an agent of this name. */
  token(scope: Scope, agentName?: string): Promise<string>;
  /** Registers an agent; its labels may be said. */
  agent(name: string, labels?: string[], capacity?: number): Promise<{ id: string; token: string }>;
  /** As a signal to the program would. */
  beginToStop(): void;
  stop(): Promise<void>;
};

/** The real app, API and pages, on a real port of the loopback, with a database of its own, without loops. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = options.beside === undefined ? await createTestDatabase() : anotherPool(options.beside.database);
  const deps = { ...(await createTestDeps(database, options.settings ?? {})), secrets: options.secrets ?? NO_SECRETS };
  const stopping = new AbortController();
  const logged: TestApp['logged'] = [];
  const { installation } = await prepareInstallation(deps, null);
  const dequeues = createDequeues(deps);
  stopping.signal.addEventListener('abort', dequeues.stop, { once: true });
  const feed = createEventFeed(deps);
  const metrics = createMetrics({ ofProcess: false });
  const nowMs = () => performance.now();
  const pools = { common: database.pool };
  const figures = createFigures(deps, options.figuresNowMs ?? nowMs);
  metrics.readFrom({ figures, waiting: dequeues.waiting, feedFollowers: feed.followers, pools });
  const common = {
    deps,
    dequeues,
    complete: createComplete(deps),
    create: createCreate(deps),
    signIn: createSignIn(deps, {
      adminToken: ADMIN_TOKEN,
      badTokensPerMinute: options.badTokensPerMinute ?? 600,
      isInNetworks,
      installationId: installation.id,
      clockMs: options.clockMs ?? Date.now,
      onRefused: (refusal) => void noteRefusedLogin(deps, refusal).catch(() => {}),
      nowMs: () => performance.now(),
    }),
    letInstanceIn: createLetInstanceIn(deps),
    feed,
    metrics,
    refusedDeliveries: createRefusedDeliveries(() => Date.now()),
    openMetrics: options.openMetrics ?? true,
    statistics: createStatistics(deps, {
      cacheSeconds: options.statisticsCacheSeconds ?? 0,
      nowMs: () => performance.now(),
    }),
    log: recordingLog(logged),
    version: '0.0.0',
    clientAddress: createClientAddress(options.trustedProxies ?? []),
    stopping: stopping.signal,
  };
  const forgejo = forgejoSettings(options);
  let url = '';
  const pages = createDashboard({
    ...common,
    secret: installation.secret,
    adminToken: ADMIN_TOKEN,
    publicUrl: () => options.publicUrl ?? url,
    forges: forgejo.forges.map(({ name }) => name),
    openOnLoopback: options.openOnLoopback ?? false,
    epochMs: () => Date.now(),
  });
  const listening = await listen(createApp({ ...common, ...forgejo, installation }, pages), {
    host: '127.0.0.1',
    port: 0,
  });
  url = listening.url;
  const client = createClient(listening.url);
  return {
    ...client,
    url: listening.url,
    deps,
    feed,
    database,
    logged,
    async token(scope, agentName = 'an-agent') {
      const request = { name: scope, expiresInSeconds: null };
      const asked = scope === 'agent' ? { ...request, scope, agentName } : { ...request, scope };
      return (await createToken(deps, asked)).secret;
    },
    async agent(name, labels = [], capacity = 3) {
      const { json } = await client.call('POST', '/api/v1/agents/register', { body: { name, labels, capacity } });
      return { id: json.agent_id, token: json.token };
    },
    beginToStop: () => stopping.abort(),
    async stop() {
      stopping.abort();
      await listening.stop(2_000);
      await deps.stop();
      await database.close();
    },
  };
}

function anotherPool({ connectionString }: TestDatabase): TestDatabase {
  const opened = openDatabase({ connectionString, max: 10 });
  const hot = openDatabase({ connectionString, max: 5, byKeys: true });
  return {
    ...opened,
    connectionString,
    hot: hot.db,
    close: async () => void (await Promise.all([opened.close(), hot.close()])),
  };
}

function forgejoSettings({ forges = [], templates = [], rules, secrets = NO_SECRETS }: TestAppOptions) {
  const { settings, problems } = compileSettings({
    forges: forges.map((one) => forgeSchema.parse(one)),
    templates: templates.map((one) => templateSchema.parse(one)),
    secrets: Object.fromEntries(secrets),
    rules: rules?.map((one): Rule => ruleSchema.parse(one)),
  });
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'));
  return settings;
}

function createClient(url: string): Pick<TestApp, 'call' | 'fetch'> {
  const send: TestApp['fetch'] = (method, path, { token = ADMIN_TOKEN, body, headers = {}, signal } = {}) => {
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    return fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined || raw ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? (body as BodyInit) : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  };
  return {
    fetch: send,
    async call(method, path, call) {
      const response = await send(method, path, call);
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json') === true;
      return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : null };
    },
  };
}

function recordingLog(logged: TestApp['logged']) {
  const at = (level: string) => (fields: object, message: string) => {
    logged.push({ level, fields: { ...fields }, message });
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } as Parameters<
    typeof createApp
  >[0]['log'];
}
