import { BY_THE_SERVER } from '../../domain/audit.ts';
import type { Deps } from '../deps.ts';
import { noteAct } from '../record-act.ts';
import type { Refusal } from './sign-in.ts';

/** Writes down that somebody was not let in. */
export const noteRefusedLogin = (deps: Pick<Deps, 'db'>, { address, code }: Refusal): Promise<void> =>
  noteAct(deps, { type: 'login_refused', actor: BY_THE_SERVER, data: { address, code } });
