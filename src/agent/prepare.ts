import { type Machine, MachineError } from '../executor/machine.ts';
import type { Environment } from '../yaml-file.ts';
import { findAbilities } from './bounds/abilities.ts';
import { type EnrolDeps, enrol } from './enrol.ts';
import { AgentError } from './exit.ts';
import { readSelf } from './identity.ts';
import type { Prepared } from './prepared.ts';
import { type TidyDeps, tidyMachine } from './tidy-loop.ts';
import { createWork } from './work.ts';
// Needed later: the start that makes their compiled code can give back what that takes.
import './leave.ts';
import './local-api/clean-up.ts';
import './store-rows.ts';

export type PrepareDeps = Omit<EnrolDeps, 'abilities'> & Pick<TidyDeps, 'store'> & { env: Environment };

/** What cleaning up may take of a start; the rest is done while the agent works. */
const TIDY_MS = 5_000;

/** Finds out who we are and what the machine can do. Null when the signal came first. @throws {AgentError} */
export async function prepare(
  deps: PrepareDeps,
  signal: AbortSignal,
): Promise<Pick<Prepared, 'version' | 'config' | 'abilities' | 'sandboxes' | 'known'> | null> {
  const { config, version, log } = deps;
  for (const one of config.strangeVariables) log.warn({ cause: one }, 'a variable is no setting');
  const told = readSelf(config).identity?.registered ?? null;
  const found = await findAbilities({ ...deps, told }, signal);
  if (found === null) return null;
  const known = await enrol({ ...deps, ...found }, signal);
  if (known === null) return null;
  const work = createWork({ ...deps, ...found, installationId: known.identity.installationId });
  await checkMachine(work.machine, deps, signal);
  await tidyMachine(
    { ...deps, work: { use: async () => work } },
    AbortSignal.any([signal, AbortSignal.timeout(TIDY_MS)]),
  );
  return signal.aborted ? null : { version, config, ...found, known };
}

/** Whether commands can be run here. One that is too busy to say is asked again. */
async function checkMachine(
  machine: Machine,
  { config, log }: Pick<PrepareDeps, 'config' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await machine.ping(signal);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof MachineError)) throw error;
      const sentence = `cannot run commands in ${config.workDir}: ${error.message}`;
      if (error.kind !== 'unreachable') throw new AgentError(sentence, undefined, { cause: error });
      log.warn({ cause: sentence }, 'the machine did not say whether it can run commands: asked again');
    }
  }
}
