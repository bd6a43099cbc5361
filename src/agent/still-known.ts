import { join } from 'node:path';
import type { AgentConfig } from './config.ts';
import type { Known } from './identity.ts';
import { readPrivateFile } from './private-files.ts';

/**
 * Whether the agent of this folder is still the one that a start has found. Between a start and what goes on with it the
 * folder is nobody's for a moment, and `taskejo agent leave` may have had it.
 */
export function isStillKnown({ stateDir }: Pick<AgentConfig, 'stateDir'>, { identity }: Known): boolean {
  const text = readPrivateFile(join(stateDir, 'identity.json'));
  const stored = JSON.parse(text ?? '{}') as { known?: { installation_id?: string } | null };
  return stored.known?.installation_id === identity.installationId;
}
