import { readFileSync } from 'node:fs';
import { createAttempts } from './agent/attempts.ts';
import { type AgentConfig, loadAgentConfig } from './agent/config.ts';
import { createHttpControlPlane, createSayEndings } from './agent/control-plane.ts';
import { enrol } from './agent/enrol.ts';
import { AgentError, EXIT } from './agent/exit.ts';
import { createServerClient, type ServerClient } from './agent/http.ts';
import { instanceOf } from './agent/instance.ts';
import { createIntake, type Intake, roomLoop } from './agent/intake.ts';
import { lockState } from './agent/lock.ts';
import { useMachinesNetwork } from './agent/network.ts';
import { presenceLoop } from './agent/presence.ts';
import { ensurePrivateFolder } from './agent/private-files.ts';
import { pullLoop } from './agent/pull-loop.ts';
import { createReserve } from './agent/reserve.ts';
import { createServerClock, type ServerClock } from './agent/server-clock.ts';
import { aborted, type StopSignals, stopSignals } from './agent/stop-signals.ts';
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
    useMachinesNetwork(config, env);
    return await liveLocked(config, signals, out);
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof AgentError)) throw error;
    err(error.message);
    return error instanceof AgentError ? error.exitCode : EXIT.refused;
  } finally {
    signals.release();
  }
}

type Agent = {
  config: AgentConfig;
  client: ServerClient;
  clock: ServerClock;
  store: AgentStore;
  intake: Intake;
  signals: StopSignals;
  out: (line: string) => void;
  random: () => number;
  log: Log;
};

/** Nothing of the state is touched before it is ours alone. */
async function liveLocked(config: AgentConfig, signals: StopSignals, out: (line: string) => void): Promise<number> {
  ensurePrivateFolder(config.stateDir);
  const lock = lockState(config.stateDir);
  try {
    const reserve = createReserve(config.stateDir, [config.workDir]);
    const store = openStore(config.stateDir, reserve);
    try {
      const clock = createServerClock(Date.now);
      const client = createServerClient({ server: config.server, clock, random: Math.random });
      const log = createLog(config.log);
      const intake = createIntake({ store, reserve, log });
      return await live({ config, client, clock, store, intake, signals, out, random: Math.random, log });
    } finally {
      store.close();
    }
  } finally {
    lock.release();
  }
}

async function live(agent: Agent): Promise<number> {
  const { config, store, intake, signals, log } = agent;
  const instance = instanceOf(store, config.stateDir);
  const enrolled = await enrol({ ...agent, instance, version: version(), abilities: {} }, signals.stop);
  if (enrolled === null) return EXIT.stopped;
  const { installationId } = enrolled.identity;
  const machine = createLocalMachine({ directory: config.workDir, installationId });
  await checkMachine(machine, config);
  const { capacity, killGraceSeconds } = config;
  const plane = createHttpControlPlane(enrolled.client);
  const attempts = createAttempts({
    plane,
    sayEndings: createSayEndings(enrolled.client, plane),
    machine,
    store,
    installationId,
    capacity,
    killGraceSeconds,
    log,
  });
  for (const attempt of store.open()) attempts.begin(attempt, 'again');
  const over = new AbortController();
  const loops = [
    presenceLoop({ ...agent, ...enrolled, onOnline: (id) => sayOnline(agent, id) }, over.signal),
    pullLoop({ ...agent, ...enrolled, attempts }, AbortSignal.any([signals.stop, over.signal])),
    tidyLoop({ store, machine, log }, over.signal),
    roomLoop(intake, over.signal),
  ];
  try {
    await Promise.race([Promise.all(loops), aborted(signals.stop)]);
    return (await windDown({ ...agent, attempts, machine }, signals.force)) ? EXIT.forced : EXIT.stopped;
  } finally {
    over.abort();
    await attempts.detach();
    await Promise.allSettled(loops);
  }
}

async function checkMachine(machine: Machine, { workDir }: AgentConfig): Promise<void> {
  try {
    await machine.ping(new AbortController().signal);
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
    throw new AgentError(`cannot run commands in ${workDir}: ${error.message}`, undefined, { cause: error });
  }
}

function sayOnline({ config, out }: Agent, agentId: string | null): void {
  out(`agent ${agentId ?? config.name} online at ${config.server.url}`);
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
