import { BY_THE_SERVER } from '../../domain/audit.ts';
import type { Deps } from '../deps.ts';
import { noteAct } from '../record-act.ts';

const MOST_CHARACTERS = 2_000;

/** Writes down that a replica goes by this configuration from now on. */
export const noteConfigurationLoaded = (deps: Pick<Deps, 'db'>, file: string | null, hosts: readonly string[]) =>
  noteAct(deps, { type: 'configuration_loaded', actor: BY_THE_SERVER, data: { file, hosts } });

/** Writes down that a configuration was not taken, and that the one before it holds. */
export const noteConfigurationRefused = (deps: Pick<Deps, 'db'>, file: string | null, cause: string) =>
  noteAct(deps, {
    type: 'configuration_refused',
    actor: BY_THE_SERVER,
    data: { file, cause: cause.slice(0, MOST_CHARACTERS).toWellFormed() },
  });
