import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { HOST_REASONS, type MachineFigures } from './domain/agent.ts';
import { STATUSES, type Status } from './domain/task.ts';
import { registerMachines } from './metrics/agents.ts';

/** What the database says, asked at most every few seconds however many scrape. */
export type DatabaseFigures = {
  tasks: ReadonlyMap<Status, number>;
  oldestPendingSeconds: number | null;
  events: ReadonlyMap<string, number>;
  agents: ReadonlyMap<string, number>;
  hostsOffline: ReadonlyMap<string, number>;
  machines: readonly MachineFigures[];
};
export type MetricsSources = {
  figures: () => Promise<DatabaseFigures>;
  /** Agents that wait for a task here. */
  waiting: () => number;
  feedFollowers: () => number;
  /** Connections by pool. */
  pools: Readonly<Record<string, { totalCount: number; idleCount: number; waitingCount: number }>>;
};

export type Metrics = {
  answered(method: string, route: string, status: number, seconds: number): void;
  passed(seconds: number): void;
  swept(lost: number): void;
  /** The age of the oldest snapshot that keeps the database from cleaning up. */
  snapshot(seconds: number): void;
  readFrom(sources: MetricsSources): void;
  /** All of it in the format of Prometheus. */
  text(): Promise<string>;
  readonly contentType: string;
};

const REQUEST_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 60];
const PASS_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** The figures of this replica, and of the database as it sees it; `ofProcess`: memory, CPU and the event loop too. */
export function createMetrics({ ofProcess }: { ofProcess: boolean }): Metrics {
  const registry = new Registry();
  if (ofProcess) collectDefaultMetrics({ register: registry });
  const own = ownMetrics(registry);
  // Finding a counter by its labels makes a text each time; there are few, so they are kept.
  let refresh = async () => {};
  const known = new Map<string, { observe(seconds: number): void }>();
  return {
    answered(method, route, status, seconds) {
      const key = `${method} ${route} ${status}`;
      let one = known.get(key);
      if (one === undefined) {
        one = own.requests.labels(method, route, String(status));
        known.set(key, one);
      }
      one.observe(seconds);
    },
    passed: (seconds) => own.passes.observe(seconds),
    swept(lost) {
      own.sweeps.inc();
      own.lost.inc(lost);
    },
    snapshot: (seconds) => own.snapshot.set(seconds),
    readFrom(sources) {
      refresh = registerSources(registry, sources);
    },
    async text() {
      await refresh();
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}

function ownMetrics(registry: Registry) {
  const registers = [registry];
  return {
    requests: new Histogram({
      name: 'taskejo_http_request_duration_seconds',
      help: 'From a request to the end of its answer, or to the beginning of a stream',
      labelNames: ['method', 'route', 'status'] as const,
      buckets: REQUEST_BUCKETS,
      registers,
    }),
    passes: new Histogram({
      name: 'taskejo_dispatch_pass_seconds',
      help: 'One look of the dispatch loop at what waits and who could take it',
      buckets: PASS_BUCKETS,
      registers,
    }),
    sweeps: new Counter({ name: 'taskejo_sweeps_total', help: 'Looks for leases that have lapsed', registers }),
    lost: new Counter({ name: 'taskejo_leases_lost_total', help: 'Leases that this replica ended', registers }),
    snapshot: new Gauge({
      name: 'taskejo_database_oldest_snapshot_seconds',
      help: 'Age of the oldest transaction that keeps the database from cleaning up',
      registers,
    }),
  };
}

/** What is asked when somebody scrapes; answers how to bring up to date what the database says. */
function registerSources(
  registry: Registry,
  { figures, waiting, feedFollowers, pools }: MetricsSources,
): () => Promise<void> {
  const registers = [registry];
  new Gauge({
    name: 'taskejo_waiting_agents',
    help: 'Agents that wait for a task at this replica',
    registers,
    collect() {
      this.set(waiting());
    },
  });
  new Gauge({
    name: 'taskejo_event_followers',
    help: 'Who follows all events at this replica',
    registers,
    collect() {
      this.set(feedFollowers());
    },
  });
  new Gauge({
    name: 'taskejo_database_connections',
    help: 'Connections of this replica by pool; waiting are requests without one',
    labelNames: ['pool', 'state'],
    registers,
    collect() {
      for (const [pool, { totalCount, idleCount, waitingCount }] of Object.entries(pools)) {
        this.set({ pool, state: 'used' }, totalCount - idleCount);
        this.set({ pool, state: 'idle' }, idleCount);
        this.set({ pool, state: 'waiting' }, waitingCount);
      }
    },
  });
  return registerFigures(registry, figures);
}

function registerFigures(registry: Registry, figures: MetricsSources['figures']): () => Promise<void> {
  const registers = [registry];
  const labelled = (name: string, help: string, label: string) =>
    new Gauge({ name, help, labelNames: [label], registers });
  const tasks = labelled('taskejo_tasks', 'Tasks by status', 'status');
  const agents = labelled('taskejo_agents', 'Agents by what they are: online, offline, cordoned or draining', 'state');
  const hosts = labelled('taskejo_hosts_offline', "Hosts that aren't used, by the reason", 'reason');
  const oldest = new Gauge({
    name: 'taskejo_oldest_pending_seconds',
    help: 'How long the task has waited that was made first of those that wait; 0 if none does',
    registers,
  });
  // Counted in the database, so it goes on where it was when a replica starts, and is the same on all of them.
  const events = new Counter({
    name: 'taskejo_events_total',
    help: 'Events of all tasks by type, the same on every replica: created, assigned, completed and so on',
    labelNames: ['type'],
    registers,
  });
  const up = new Gauge({
    name: 'taskejo_database_up',
    help: 'Whether the database answered when it was last asked',
    registers,
  });
  const showMachines = registerMachines(registry);
  const show = (found: DatabaseFigures) => {
    showMachines(found.machines);
    oldest.set(found.oldestPendingSeconds ?? 0);
    for (const status of STATUSES) tasks.set({ status }, found.tasks.get(status) ?? 0);
    for (const [state, count] of found.agents) agents.set({ state }, count);
    for (const reason of HOST_REASONS) hosts.set({ reason }, found.hostsOffline.get(reason) ?? 0);
    events.reset();
    for (const [type, count] of found.events) events.inc({ type }, count);
  };
  return async () => {
    // That the database is away is itself a figure; the others stay as they were.
    const found = await figures().catch(() => null);
    up.set(found === null ? 0 : 1);
    if (found !== null) show(found);
  };
}
