import { arch, availableParallelism, hostname, release, type } from 'node:os';
import type { MachineMetrics } from '../../contract/agent.ts';
import type {
  Cleanup,
  Left,
  LocalPing,
  LocalTask,
  LocalTaskDetail,
  QueueStatus,
  SystemInfo,
} from '../../contract/local-api.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import type { Machine } from '../../executor/machine.ts';
import type { Attempts } from '../attempts.ts';
import type { AgentConfig } from '../config.ts';
import type { Intake } from '../intake.ts';
import type { Standing } from '../presence.ts';
import type { StoppableMachine } from '../stoppable-machine.ts';
import type { AgentStore, OpenAttempt } from '../store.ts';
import { beganAt } from './began-at.ts';

/** What may be asked of an agent on its own machine. All throw {@link AppError}. */
export type LocalAgent = {
  ping(): LocalPing;
  info(): Promise<SystemInfo>;
  queue(): QueueStatus;
  tasks(): Promise<LocalTask[]>;
  task(attemptId: string): Promise<LocalTaskDetail>;
  metrics(): Promise<MachineMetrics>;
  /** Answers when the command has ended, or surely never begins. */
  stop(attemptId: string): Promise<LocalTask>;
  drain(is: boolean): QueueStatus;
  cleanup(dryRun: boolean): Promise<Cleanup>;
  leave(force: boolean): Promise<Left>;
};

export type LocalAgentDeps = {
  config: AgentConfig;
  version: string;
  startedAt: string;
  installationId: string;
  abilities: { limits: readonly string[]; sandboxes: readonly string[] };
  standing: () => Standing;
  store: AgentStore;
  intake: Intake;
  attempts: Attempts;
  work: { use(): Promise<StoppableMachine> };
  readMetrics: () => Promise<MachineMetrics>;
  leave: (force: boolean) => Promise<Left>;
  signal: AbortSignal;
};

export function createLocalAgent(deps: LocalAgentDeps): LocalAgent {
  const { config, store, intake, attempts, work, version, signal } = deps;
  const find = async (attemptId: string): Promise<OpenAttempt> => {
    const found = (await store.open()).find(({ task }) => task.attemptId === attemptId);
    if (found === undefined) throw notFound('attempt here');
    return found;
  };
  const queue = (): QueueStatus => ({
    running: attempts.running.length,
    places: config.capacity,
    draining: intake.closed !== null,
    draining_reason: intake.closed,
  });
  return {
    ping: () => ({ status: 'ok', version, pid: process.pid }),
    info: async () => infoOf(deps, await deps.readMetrics()),
    queue,
    tasks: async () => (await store.open()).map(localTask),
    async task(attemptId) {
      const found = await find(attemptId);
      const { machine } = await work.use();
      return detailOf(found, await machine.status(attemptId, signal));
    },
    metrics: deps.readMetrics,
    stop: async (attemptId) => stop(deps, await find(attemptId)),
    drain(is) {
      intake.drain(is);
      return queue();
    },
    cleanup: async (dryRun) => {
      const { createCleaner } = await import('./clean-up.ts');
      return createCleaner({ ...deps, machine: (await work.use()).machine })(dryRun);
    },
    leave: deps.leave,
  };
}

async function stop({ config, store, work, signal }: LocalAgentDeps, found: OpenAttempt): Promise<LocalTask> {
  if (found.result !== null) throw new AppError('status_not_allowed', 'The command has ended already.');
  const { attemptId } = found.task;
  await (await work.use()).stop({ attemptId, killGraceSeconds: config.killGraceSeconds }, signal);
  return localTask((await store.open()).find(({ task }) => task.attemptId === attemptId) ?? found);
}

const localTask = ({ task, process, result }: OpenAttempt): LocalTask => ({
  attempt_id: task.attemptId,
  task_id: task.taskId,
  status: result?.outcome ?? (process === null ? 'assigned' : 'running'),
  pid: process?.pid ?? null,
  started_at: process && beganAt(process.startedAt),
});

type Report = Awaited<ReturnType<Machine['status']>>;

const detailOf = (attempt: OpenAttempt, { state, streams, progress }: Report): LocalTaskDetail => ({
  ...localTask(attempt),
  number: attempt.task.number,
  command: attempt.task.command,
  timeout_seconds: attempt.task.timeoutSeconds,
  sandbox: attempt.task.sandbox,
  machine_state: state,
  stdout_bytes: streams.stdout.total,
  stderr_bytes: streams.stderr.total,
  progress,
});

function infoOf(deps: LocalAgentDeps, metrics: MachineMetrics): SystemInfo {
  const { config, version, startedAt, abilities } = deps;
  const { online, agentId } = deps.standing();
  return {
    agent_id: agentId,
    name: config.name,
    version,
    pid: process.pid,
    started_at: startedAt,
    server: { url: config.server.url, online },
    labels: [...config.labels],
    capacity: config.capacity,
    state_dir: config.stateDir,
    work_dir: config.workDir,
    limits: [...abilities.limits],
    sandboxes: [...abilities.sandboxes],
    sandbox: config.sandbox,
    policy: {
      allowed_commands: [...config.policy.allowedCommands],
      denied_patterns: [...config.policy.deniedPatterns],
    },
    machine: {
      name: hostname(),
      system: `${type()} ${release()}`,
      architecture: arch(),
      processors: availableParallelism(),
    },
    metrics,
  };
}
