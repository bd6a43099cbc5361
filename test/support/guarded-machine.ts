import { mkdirSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import { createContainers } from '../../src/agent/bounds/containers.ts';
import { guardMachine } from '../../src/agent/bounds/guard-machine.ts';
import { sandboxesOf } from '../../src/agent/bounds/sandboxes.ts';
import { tryContainer } from '../../src/agent/bounds/try-container.ts';
import { loadAgentConfig } from '../../src/agent/config.ts';
import { createStoppableMachine, type StoppableMachine } from '../../src/agent/stoppable-machine.ts';
import type { MachineReport, StartSpec } from '../../src/domain/machine.ts';
import { NO_LIMITS } from '../../src/domain/task.ts';
import { createLocalMachine } from '../../src/executor/local/local-machine.ts';
import type { Machine } from '../../src/executor/machine.ts';
import { killProcessesIn } from './proc.ts';
import { temporaryFolder } from './temporary.ts';
import { waitFor } from './wait-for.ts';

export type GuardedMachine = { root: string; machine: Machine; stops: StoppableMachine };

/** This machine as an agent with these settings lets it be used, in a folder of its own. */
export async function guardedMachine(settings: Record<string, string> = {}): Promise<GuardedMachine> {
  const root = settings.TASKEJO_AGENT_STATE_DIR ?? temporaryFolder();
  onTestFinished(() => killProcessesIn(root));
  const env = { TASKEJO_AGENT_SERVER__URL: 'http://127.0.0.1:1', TASKEJO_AGENT_STATE_DIR: root, ...settings };
  const config = await loadAgentConfig({ env });
  mkdirSync(config.workDir, { recursive: true });
  const found = sandboxesOf(config, process.env);
  const container =
    'missing' in found.container ? found.container : await tryContainer(found.container, config.workDir, 60_000);
  const sandboxes = { ...found, container };
  const containers = createContainers(root, 'missing' in container ? null : container);
  const local = createLocalMachine({ directory: config.workDir, installationId: 'here' });
  const stops = createStoppableMachine(guardMachine(local, { config, sandboxes, containers }), Math.random);
  return { root, machine: stops.machine, stops };
}

export const specOf = (script: string, more: Partial<StartSpec> = {}): StartSpec => ({
  attemptId: crypto.randomUUID(),
  taskId: crypto.randomUUID(),
  number: 1,
  installationId: 'here',
  command: ['sh', '-c', script],
  input: Buffer.from('from standard input\n'),
  environment: { GIVEN: 'to the command' },
  limits: NO_LIMITS,
  sandbox: 'none',
  timeoutSeconds: 60,
  killGraceSeconds: 1,
  ...more,
});

/** Waits for the end; the report, and what was printed. */
export async function endOf(machine: Machine, attemptId: string): Promise<{ report: MachineReport; stdout: string }> {
  const { signal } = new AbortController();
  const report = await waitFor(async () => {
    const now = await machine.status(attemptId, signal);
    return now.state === 'done' && now;
  });
  const { piece } = await machine.collect(attemptId, 'stdout', 0, 65_536, signal);
  return { report, stdout: Buffer.from(piece?.bytes ?? []).toString('utf8') };
}

export async function runOn(machine: Machine, spec: StartSpec): ReturnType<typeof endOf> {
  await machine.start(spec, new AbortController().signal);
  return endOf(machine, spec.attemptId);
}
