import type { MachineReport } from '../domain/machine.ts';
import { stopCommand } from '../executor/attempt/ask-machine.ts';
import { type Machine, StartRefused } from '../executor/machine.ts';

/** A machine on which its owner can stop an attempt, begun or not. */
export type StoppableMachine = {
  machine: Machine;
  /** Resolves when the command has ended, or surely never begins. @throws the signal's reason */
  stop(attempt: { attemptId: string; killGraceSeconds: number }, signal: AbortSignal): Promise<void>;
};

export function createStoppableMachine(machine: Machine, random: () => number): StoppableMachine {
  const stopped = new Set<string>();
  const refuse = (attemptId: string) => {
    if (stopped.has(attemptId)) throw new StartRefused('infrastructure', 'stopped on the machine');
  };
  return {
    machine: {
      ...machine,
      async start(spec, signal): Promise<MachineReport> {
        refuse(spec.attemptId);
        const report = await machine.start(spec, signal);
        // The stop was quicker than what was on its way to the machine.
        if (report.state === 'void') refuse(spec.attemptId);
        return report;
      },
    },
    async stop(attempt, signal) {
      stopped.add(attempt.attemptId);
      await stopCommand(machine, attempt, { random, signal });
    },
  };
}
