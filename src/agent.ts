import { existsSync, readFileSync } from 'node:fs';
import { createAttempts } from './agent/attempts.ts';
import { beginAnew, canBeginAnew, takePrepared } from './agent/begin-anew.ts';
import { MACHINE_PATH } from './agent/bounds/find-program.ts';
import type { AgentConfig } from './agent/config.ts';
import { createEnrolled, type Enrolled } from './agent/enrolled.ts';
import { AgentError, EXIT } from './agent/exit.ts';
import { createServerClient, type ServerClient } from './agent/http.ts';
import { instanceOf } from './agent/instance.ts';
import { createIntake, type Intake, roomLoop } from './agent/intake.ts';
import { startLocalApi } from './agent/local-api/index.ts';
import { createLocalAgent, type LocalAgentDeps } from './agent/local-api/local-agent.ts';
import { lockState } from './agent/lock.ts';
import { memoryLoop } from './agent/memory-loop.ts';
import { createMetricsReader } from './agent/metrics/machine-metrics.ts';
import { machinesNetwork } from './agent/network.ts';
import type { Prepared } from './agent/prepared.ts';
import { presenceLoop, type Standing } from './agent/presence.ts';
import { ensurePrivateFolder } from './agent/private-files.ts';
import { pullLoop, settleRequest } from './agent/pull-loop.ts';
import { createReserve } from './agent/reserve.ts';
import { createServerClock, type ServerClock } from './agent/server-clock.ts';
import { isStillKnown } from './agent/still-known.ts';
import { aborted, type StopSignals, stopSignals } from './agent/stop-signals.ts';
import { type AgentStore, openStore } from './agent/store.ts';
import { tidyLoop } from './agent/tidy-loop.ts';
import { windDown } from './agent/wind-down.ts';
import type { Work, WorkDeps } from './agent/work.ts';
import { createWorkLoader, type WorkLoader } from './agent/work-loader.ts';
import { createLog, type Log } from './log.ts';
import { ConfigError } from './yaml-file/mistake.ts';
import type { Environment } from './yaml-file/overrides.ts';

/*
 * The pull agent. What a start needs once (`agent/prepare.ts`) and what work needs (`agent/work.ts`) is imported when it
 * is needed: an agent that idles is as small as what this file imports at its top.
 */

/** Lines for whoever started it: `out` that it is online, `err` why it can't be. */
type Lines = { out: (line: string) => void; err: (line: string) => void };

export type RunAgentOptions = Lines & {
  /** Else the first of `./agent.yaml` and `/etc/taskejo/agent.yaml` that is there. */
  file?: string | undefined;
  env: Environment;
};

/** So long without work, and the agent lets go of what it needs for that. */
const REST_MS = 600_000;

/** Runs the pull agent until a signal ends it; answers the exit code. Where it can, it does so as a program begun anew. */
export const runAgent = ({ file, env, ...lines }: RunAgentOptions): Promise<number> =>
  untilStopped(lines, async (signals) => {
    const { loadAgentConfig } = await import('./agent/config.ts');
    const { prepare } = await import('./agent/prepare.ts');
    const config = await loadAgentConfig({ file, env });
    const found = await withState(config, env, (state) => prepare({ ...state, version: version() }, signals.stop));
    if (found === null) return EXIT.stopped;
    const prepared = { ...found, startedAt: new Date().toISOString(), isSaid: false, restMs: REST_MS };
    await beginAnew(prepared, signals);
    return signals.stop.aborted ? EXIT.stopped : goOn(prepared, env, signals, lines);
  });

/** What was begun anew goes on as the agent that was prepared. */
export const goOnAsPrepared = (env: NodeJS.ProcessEnv, lines: Lines): Promise<number> =>
  untilStopped(lines, async (signals) => {
    const prepared = takePrepared(env);
    if (prepared?.version === version()) return goOn(prepared, env, signals, lines);
    // Another release has been put in its place: what it needs to know, its own start finds out.
    await beginAnew(null, signals);
    if (signals.stop.aborted) return EXIT.stopped;
    throw new AgentError('TASKEJO_PREPARED is set, which only the agent itself may do');
  });

/** Leaves the server while no agent runs here. @throws {ConfigError}, {@link AgentError}, {@link AppError} */
export async function leaveStopped({ file, env, force }: Pick<RunAgentOptions, 'file' | 'env'> & { force: boolean }) {
  const { loadAgentConfig } = await import('./agent/config.ts');
  const { leaveUnused } = await import('./agent/leave-unused.ts');
  const config = await loadAgentConfig({ file, env });
  // Else it would be made.
  if (!existsSync(config.stateDir)) throw new AgentError('this agent has joined no server');
  return withState(config, env, (state) => leaveUnused({ ...state, version: version() }, force));
}

/** What a person must mend is said in a sentence. */
async function untilStopped({ err }: Lines, run: (signals: StopSignals) => Promise<number>): Promise<number> {
  const signals = stopSignals(process);
  try {
    return await run(signals);
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof AgentError)) throw error;
    err(error.message);
    return error instanceof AgentError ? error.exitCode : EXIT.refused;
  } finally {
    signals.release();
  }
}

type State = {
  config: AgentConfig;
  env: Environment;
  client: ServerClient;
  clock: ServerClock;
  store: AgentStore;
  intake: Intake;
  random: () => number;
  log: Log;
};

/** Nothing of the state is touched before it is ours alone. */
async function withState<T>(config: AgentConfig, env: Environment, work: (state: State) => Promise<T>): Promise<T> {
  const send = machinesNetwork(config, env);
  ensurePrivateFolder(config.stateDir);
  const lock = lockState(config.stateDir);
  try {
    const reserve = createReserve(config.stateDir, [config.workDir]);
    const store = openStore(config.stateDir, reserve);
    try {
      const clock = createServerClock(Date.now);
      const client = createServerClient({ server: config.server, clock, random: Math.random, send });
      const log = createLog(config.log);
      const intake = createIntake({ store, reserve, log });
      return await work({ config, env, client, clock, store, intake, random: Math.random, log });
    } finally {
      store.close();
    }
  } finally {
    lock.release();
  }
}

/** Works until it is stopped; one that has rested for long with all that work needs begins anew without. */
async function goOn(prepared: Prepared, env: Environment, signals: StopSignals, lines: Lines): Promise<number> {
  const onOnline = (line: string) => {
    if (!prepared.isSaid) lines.out(line);
    prepared.isSaid = true;
  };
  const ended = await withState(prepared.config, env, (state) => live({ ...prepared, ...state, onOnline, signals }));
  if (ended !== 'rested') return ended;
  await beginAnew(prepared, signals);
  return signals.stop.aborted ? EXIT.stopped : goOn(prepared, env, signals, lines);
}

type Agent = Prepared & State & { onOnline: (line: string) => void; signals: StopSignals };
type Ended = number | 'rested';

async function live(agent: Agent): Promise<Ended> {
  const { config, store, known, log } = agent;
  if (!isStillKnown(config, known)) {
    log.info({}, 'this agent has left the server');
    return EXIT.stopped;
  }
  const { installationId, agentId } = known.identity;
  const { capacity, killGraceSeconds } = config;
  const work = createWorkLoader(() => loadWork({ ...agent, ...enrolled, installationId }));
  const enrolled = createEnrolled({ ...agent, work, instance: instanceOf(store, config.stateDir) }, known);
  const attempts = createAttempts({ work, store, installationId, capacity, killGraceSeconds, log });
  const standing: Standing = { online: false, agentId };
  return workUntilEnd({
    ...agent,
    ...enrolled,
    work,
    attempts,
    installationId,
    standing,
    readMetrics: metricsOf(config),
  });
}

/** Of another release that has been put in this one's place half would not fit to what runs. */
async function loadWork(deps: WorkDeps & Agent): Promise<Work> {
  try {
    if (canBeginAnew() && version() !== deps.version) throw new Error('another release is in its place');
    const { createWork } = await import('./agent/work.ts');
    return createWork(deps);
  } catch (error) {
    deps.log.warn({ err: error }, 'what work needs is not to be had: begins anew, from the start');
    await beginAnew(null, deps.signals);
    throw error;
  }
}

type Parts = Agent &
  Enrolled &
  Pick<LocalAgentDeps, 'attempts' | 'installationId' | 'readMetrics'> & { work: WorkLoader; standing: Standing };

async function workUntilEnd(parts: Parts): Promise<Ended> {
  const { store, intake, attempts, signals } = parts;
  const [left, over] = [new AbortController(), new AbortController()];
  const stop = AbortSignal.any([signals.stop, left.signal]);
  const local = await openLocalApi(parts, () => left.abort(), over.signal);
  for (const attempt of await store.open()) attempts.begin(attempt, 'again');
  const loops = [
    presenceLoop(
      { ...parts, onOnline: (id) => parts.onOnline(`agent ${id} online at ${parts.config.server.url}`) },
      over.signal,
    ),
    pullLoop(parts, AbortSignal.any([stop, over.signal])),
    tidyLoop(parts, over.signal),
    roomLoop(intake, over.signal),
  ];
  const mayRest = () => canBeginAnew() && canGoOn(parts);
  const rested = memoryLoop({ ...parts, mayRest }, over.signal);
  try {
    await Promise.race([Promise.all(loops), aborted(stop), rested]);
    if (left.signal.aborted) return EXIT.stopped;
    if (!stop.aborted) {
      parts.log.info({}, 'nothing to do for long: begins anew, with nothing in memory of what it did');
      return 'rested';
    }
    const settle = (signal: AbortSignal) => settleRequest(parts, signal);
    return (await windDown({ ...parts, settle }, signals.force)) ? EXIT.forced : EXIT.stopped;
  } finally {
    over.abort();
    await local.stop();
    await attempts.detach();
    await Promise.allSettled([...loops, rested]);
    await parts.work.end();
  }
}

/** Whether what it lets go of can be had again. */
function canGoOn({ config, env, intake, log }: Parts): boolean {
  if (intake.closed === 'store_full') return false;
  try {
    machinesNetwork(config, env);
    return true;
  } catch (error) {
    log.debug({ err: error }, 'does not begin anew: what it needs is not to be had');
    return false;
  }
}

const metricsOf = ({ workDir, environment }: AgentConfig) =>
  createMetricsReader({ folder: workDir, path: environment.PATH ?? MACHINE_PATH, nowMs: () => performance.now() });

/** What is asked on this machine is answered from now on, whether the server is there or not. */
function openLocalApi(parts: Parts, onLeft: () => void, signal: AbortSignal): ReturnType<typeof startLocalApi> {
  const agent = createLocalAgent({
    ...parts,
    signal,
    standing: () => parts.standing,
    async leave(force) {
      const { leave } = await import('./agent/leave.ts');
      return leave({ ...parts, stops: await parts.work.use(), onLeft, signal }, force);
    },
  });
  return startLocalApi({ ...parts.config.localApi, agent, log: parts.log });
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
