import type { ControlPlane } from '../executor/control-plane.ts';
import { createLocalMachine } from '../executor/local/local-machine.ts';
import { runAttempt } from '../executor/run-attempt.ts';
import { createContainers } from './bounds/containers.ts';
import { guardMachine } from './bounds/guard-machine.ts';
import type { Sandboxes } from './bounds/sandboxes.ts';
import type { AgentConfig } from './config.ts';
import { createHttpControlPlane, createSayEndings } from './control-plane.ts';
import { dequeued } from './dequeued.ts';
import type { ServerClient } from './http.ts';
import type { SayEndings } from './outbox.ts';
import { register } from './register.ts';
import { createStoppableMachine, type StoppableMachine } from './stoppable-machine.ts';

/** All that an agent does without while it has nothing to do: above all what attempts are run with. */
export type Work = StoppableMachine & {
  plane: ControlPlane;
  sayEndings: SayEndings;
  runAttempt: typeof runAttempt;
  register: typeof register;
  /** What a request for work has brought is checked by this. */
  dequeued: ReturnType<typeof dequeued>;
  /** Resolves when no process of ours waits on the machine for work that may come. */
  end(): Promise<void>;
};

export type WorkDeps = {
  config: AgentConfig;
  sandboxes: Sandboxes;
  installationId: string;
  /** Speaks as the agent. */
  client: ServerClient;
  random: () => number;
};

/** This machine, as its owner lets it be used, and the server that is told what happens on it. */
export function createWork({ config, sandboxes, installationId, client, random }: WorkDeps): Work {
  const { container } = sandboxes;
  const containers = createContainers(config.stateDir, 'missing' in container ? null : container);
  const local = createLocalMachine({ directory: config.workDir, installationId, ahead: true });
  const plane = createHttpControlPlane(client);
  return {
    ...createStoppableMachine(guardMachine(local, { config, sandboxes, containers }), random),
    plane,
    sayEndings: createSayEndings(client, plane),
    runAttempt,
    register,
    dequeued: dequeued(config),
    end: local.stop,
  };
}
