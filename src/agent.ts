import { existsSync, readFileSync } from 'node:fs';
import { type Attempts, createAttempts } from './agent/attempts.ts';
import { findAbilities } from './agent/bounds/abilities.ts';
import { createContainers } from './agent/bounds/containers.ts';
import { MACHINE_PATH } from './agent/bounds/find-program.ts';
import { guardMachine } from './agent/bounds/guard-machine.ts';
import { type Sandboxes, sandboxesOf } from './agent/bounds/sandboxes.ts';
import { type AgentConfig, loadAgentConfig } from './agent/config.ts';
import { createHttpControlPlane, createSayEndings } from './agent/control-plane.ts';
import { type Enrolled, enrol } from './agent/enrol.ts';
import { AgentError, EXIT } from './agent/exit.ts';
import { createServerClient, type ServerClient } from './agent/http.ts';
import { readSelf } from './agent/identity.ts';
import { instanceOf } from './agent/instance.ts';
import { createIntake, type Intake, roomLoop } from './agent/intake.ts';
import { type LeaveDeps, leave } from './agent/leave.ts';
import { startLocalApi } from './agent/local-api/index.ts';
import { createLocalAgent, type LocalAgentDeps } from './agent/local-api/local-agent.ts';
import { lockState } from './agent/lock.ts';
import { memoryLoop } from './agent/memory-loop.ts';
import { createMetricsReader } from './agent/metrics/machine-metrics.ts';
import { machinesNetwork } from './agent/network.ts';
import { presenceLoop, type Standing } from './agent/presence.ts';
import { ensurePrivateFolder } from './agent/private-files.ts';
import { pullLoop, settleRequest } from './agent/pull-loop.ts';
import { createReserve } from './agent/reserve.ts';
import { createServerClock, type ServerClock } from './agent/server-clock.ts';
import { aborted, type StopSignals, stopSignals } from './agent/stop-signals.ts';
import { createStoppableMachine, type StoppableMachine } from './agent/stoppable-machine.ts';
import { type AgentStore, openStore } from './agent/store.ts';
import { tidyLoop } from './agent/tidy-loop.ts';
import { windDown } from './agent/wind-down.ts';
import { createLocalMachine } from './executor/local/local-machine.ts';
import { type Machine, MachineError } from './executor/machine.ts';
import { createLog, type Log } from './log.ts';
import { ConfigError, type Environment } from './yaml-file.ts';

export type RunAgentOptions = {
  /** Else the first of `./agent.yaml` and `/etc/taskejo/agent.yaml` that is there. */
  file?: string | undefined;
  env: Environment;
  /** Lines for whoever started it: `out` that it is online, `err` why it can't be. */
  out: (line: string) => void;
  err: (line: string) => void;
};

/** Runs the pull agent until a signal ends it; answers the exit code. */
export async function runAgent({ file, env, out, err }: RunAgentOptions): Promise<number> {
  const signals = stopSignals(process);
  try {
    const config = await loadAgentConfig({ file, env });
    return await withState(config, env, (state) => live({ ...state, signals, out }));
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof AgentError)) throw error;
    err(error.message);
    return error instanceof AgentError ? error.exitCode : EXIT.refused;
  } finally {
    signals.release();
  }
}

/** Leaves the server while no agent runs here. @throws {ConfigError}, {@link AgentError}, {@link AppError} */
export async function leaveStopped({ file, env, force }: Pick<RunAgentOptions, 'file' | 'env'> & { force: boolean }) {
  const config = await loadAgentConfig({ file, env });
  if (!existsSync(config.stateDir)) throw new AgentError('this agent has joined no server');
  return withState(config, env, async (state) => {
    const { signal } = new AbortController();
    if (readSelf(config).identity === null) throw new AgentError('this agent has joined no server');
    const instance = instanceOf(state.store, config.stateDir);
    const enrolled = await enrol({ ...state, instance, version: version(), abilities: {} }, signal);
    if (enrolled === null) throw new AgentError('this agent has joined no server');
    const stops = machineOf(state, sandboxesOf(config, env), enrolled.identity.installationId);
    const nothing = { attempts: { idle: async () => {} }, onLeft: () => {} };
    return leave({ ...state, ...enrolled, ...nothing, stops, signal }, force);
  });
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
type Agent = State & { signals: StopSignals; out: (line: string) => void };

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
      for (const one of config.strangeVariables) log.warn({ cause: one }, 'a variable is no setting');
      const intake = createIntake({ store, reserve, log });
      return await work({ config, env, client, clock, store, intake, random: Math.random, log });
    } finally {
      store.close();
    }
  } finally {
    lock.release();
  }
}

/** This machine, as its owner lets it be used. */
function machineOf({ config, random }: State, sandboxes: Sandboxes, installationId: string): StoppableMachine {
  const { container } = sandboxes;
  const containers = createContainers(config.stateDir, 'missing' in container ? null : container);
  const local = createLocalMachine({ directory: config.workDir, installationId, ahead: true });
  return createStoppableMachine(guardMachine(local, { config, sandboxes, containers }), random);
}

async function live(agent: Agent): Promise<number> {
  const { config, store, signals } = agent;
  const told = readSelf(config).identity?.registered ?? null;
  const found = await findAbilities({ ...agent, told }, signals.stop);
  if (found === null) return EXIT.stopped;
  const { abilities, sandboxes } = found;
  const instance = instanceOf(store, config.stateDir);
  const enrolled = await enrol({ ...agent, instance, version: version(), abilities }, signals.stop);
  if (enrolled === null) return EXIT.stopped;
  const { installationId, agentId } = enrolled.identity;
  const stops = machineOf(agent, sandboxes, installationId);
  const { machine } = stops;
  await checkMachine(machine, agent);
  const attempts = attemptsOf(agent, enrolled, machine);
  const standing: Standing = { online: false, agentId };
  const readMetrics = metricsOf(config);
  const here = { attempts, machine, stops, abilities, installationId, standing, readMetrics };
  return workUntilStopped({ ...agent, ...enrolled, ...here });
}

type Parts = Agent & Enrolled & Omit<LocalParts, 'onLeft' | 'signal'>;

async function workUntilStopped(parts: Parts): Promise<number> {
  const { store, intake, attempts, signals } = parts;
  const [left, over] = [new AbortController(), new AbortController()];
  const stop = AbortSignal.any([signals.stop, left.signal]);
  const local = await openLocalApi({ ...parts, onLeft: () => left.abort(), signal: over.signal });
  for (const attempt of store.open()) attempts.begin(attempt, 'again');
  const loops = [
    presenceLoop({ ...parts, onOnline: (id) => sayOnline(parts, id) }, over.signal),
    pullLoop(parts, AbortSignal.any([stop, over.signal])),
    tidyLoop(parts, over.signal),
    memoryLoop(attempts, over.signal),
    roomLoop(intake, over.signal),
  ];
  try {
    await Promise.race([Promise.all(loops), aborted(stop)]);
    if (left.signal.aborted) return EXIT.stopped;
    const settle = (signal: AbortSignal) => settleRequest(parts, signal);
    return (await windDown({ ...parts, settle }, signals.force)) ? EXIT.forced : EXIT.stopped;
  } finally {
    over.abort();
    await local.stop();
    await attempts.detach();
    await Promise.allSettled(loops);
  }
}

function attemptsOf({ config, store, log }: Agent, { client, identity }: Enrolled, machine: Machine): Attempts {
  const { capacity, killGraceSeconds } = config;
  const plane = createHttpControlPlane(client);
  const sayEndings = createSayEndings(client, plane);
  const { installationId } = identity;
  return createAttempts({ plane, sayEndings, machine, store, installationId, capacity, killGraceSeconds, log });
}

const metricsOf = ({ workDir, environment }: AgentConfig) =>
  createMetricsReader({ folder: workDir, path: environment.PATH ?? MACHINE_PATH, nowMs: () => performance.now() });

type LocalParts = Omit<LocalAgentDeps, 'version' | 'startedAt' | 'standing' | 'leave'> &
  Omit<LeaveDeps, 'attempts'> & { standing: Standing; log: Log };

/** What is asked on this machine is answered from now on, whether the server is there or not. */
function openLocalApi(parts: LocalParts): ReturnType<typeof startLocalApi> {
  const agent = createLocalAgent({
    ...parts,
    version: version(),
    startedAt: new Date().toISOString(),
    standing: () => parts.standing,
    leave: (force) => leave(parts, force),
  });
  return startLocalApi({ ...parts.config.localApi, agent, log: parts.log });
}

/** Whether commands can be run here. One that is too busy to say is asked again. */
async function checkMachine(machine: Machine, { config, log, signals }: Agent): Promise<void> {
  while (!signals.stop.aborted) {
    try {
      await machine.ping(signals.stop);
      return;
    } catch (error) {
      if (signals.stop.aborted) return;
      if (!(error instanceof MachineError)) throw error;
      const sentence = `cannot run commands in ${config.workDir}: ${error.message}`;
      if (error.kind !== 'unreachable') throw new AgentError(sentence, undefined, { cause: error });
      log.warn({ cause: sentence }, 'the machine did not say whether it can run commands: asked again');
    }
  }
}

function sayOnline({ config, out }: Agent, agentId: string): void {
  out(`agent ${agentId} online at ${config.server.url}`);
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
