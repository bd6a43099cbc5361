import type { Left } from '../contract/local-api.ts';
import type { Environment } from '../yaml-file.ts';
import { sandboxesOf } from './bounds/sandboxes.ts';
import { type EnrolDeps, enrol } from './enrol.ts';
import { createEnrolled } from './enrolled.ts';
import { AgentError } from './exit.ts';
import { readSelf } from './identity.ts';
import { instanceOf } from './instance.ts';
import { type LeaveDeps, leave } from './leave.ts';
import type { AgentStore } from './store.ts';
import { createWork } from './work.ts';

export type LeaveUnusedDeps = Omit<EnrolDeps, 'abilities'> &
  Pick<LeaveDeps, 'intake'> & { env: Environment; store: AgentStore };

/** Leaves the server with the state of an agent that does not run. @throws {AgentError}, {@link AppError} */
export async function leaveUnused(deps: LeaveUnusedDeps, force: boolean): Promise<Left> {
  const { config, env, store } = deps;
  const { signal } = new AbortController();
  const known = readSelf(config).identity === null ? null : await enrol({ ...deps, abilities: {} }, signal);
  if (known === null) throw new AgentError('this agent has joined no server');
  const instance = instanceOf(store, config.stateDir);
  const work = { use: async () => stops };
  const { client, identity } = createEnrolled({ ...deps, abilities: {}, instance, work }, known);
  const { installationId } = identity;
  const stops = createWork({ ...deps, client, installationId, sandboxes: sandboxesOf(config, env) });
  const nothing = { attempts: { idle: async () => {} }, onLeft: () => {} };
  return leave({ ...deps, ...nothing, client, stops, signal }, force);
}
