import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findAbilities } from '../../../src/agent/bounds/abilities.ts';
import { createContainers } from '../../../src/agent/bounds/containers.ts';
import { guardMachine } from '../../../src/agent/bounds/guard-machine.ts';
import { loadAgentConfig } from '../../../src/agent/config.ts';
import type { Registration } from '../../../src/agent/identity.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { createLocalMachine } from '../../../src/executor/local/local-machine.ts';
import { specOf } from '../../support/guarded-machine.ts';
import { killProcessesIn } from '../../support/proc.ts';
import { temporaryFolder } from '../../support/temporary.ts';

const ALL = ['cpu_percent', 'memory_bytes', 'processes', 'file_size_bytes'];

/** Tries what a machine can do whose docker is a script: its arguments are $*, its folder is $folder. */
async function tried(docker: string, settings: Record<string, string>, told: Partial<Registration> | null = null) {
  const folder = temporaryFolder();
  onTestFinished(() => killProcessesIn(folder));
  writeFileSync(join(folder, 'docker'), `#!/bin/sh\nfolder=${folder}\n${docker}\n`);
  chmodSync(join(folder, 'docker'), 0o755);
  const env = {
    TASKEJO_AGENT_SERVER__URL: 'http://127.0.0.1:1',
    TASKEJO_AGENT_STATE_DIR: folder,
    TASKEJO_AGENT_CONTAINER__PROGRAM: 'docker',
    TASKEJO_AGENT_CONTAINER__IMAGE: 'any',
    TASKEJO_AGENT_ENVIRONMENT__SET: JSON.stringify({ PATH: `${folder}:/usr/bin:/bin` }),
    ...settings,
  };
  const config = await loadAgentConfig({ env });
  const said: string[] = [];
  const say = (_: unknown, message: string) => void said.push(message);
  const log = { debug: say, info: say, warn: say, error: say };
  const probing = { config, env: {}, told: told as Registration | null, log, patienceMs: 700 };
  const found = await findAbilities(probing, new AbortController().signal);
  return { config, said, ...(found as NonNullable<typeof found>) };
}

const SHUT_IN = { TASKEJO_AGENT_SANDBOX: 'container' };
const DISCARDS = `case "$*" in *--memory*) echo 'WARNING: no memory cgroup. Limitation discarded.' >&2 ;; esac`;
const HANGS_ONCE = '[ -e "$folder/once" ] || { >"$folder/once"; exec sleep 60; }';
const HANGS = 'exec sleep 60';

describe('containers that a machine has', () => {
  test('keep limits, but for those that their program says it leaves out', async () => {
    const { abilities, sandboxes, config } = await tried(DISCARDS, SHUT_IN);
    expect(abilities.sandboxes).toContain('container');
    expect(abilities.limits).toEqual(ALL.filter((one) => one !== 'memory_bytes'));
    const local = createLocalMachine({ directory: config.workDir, installationId: 'here' });
    const containers = createContainers(config.stateDir, null);
    const machine = guardMachine(local, { config, sandboxes, containers });
    const limits = { ...NO_LIMITS, memoryBytes: 1024 ** 3 };
    await expect(machine.start(specOf('true', { limits }), new AbortController().signal)).rejects.toMatchObject({
      failureClass: 'setup',
      message: expect.stringMatching(/^the limit memory_bytes is not available in a container: .*discarded/),
    });
    await expect(tried(DISCARDS, { ...SHUT_IN, TASKEJO_AGENT_LIMITS__MEMORY_BYTES: '1000000000' })).rejects.toThrow(
      'limits.memory_bytes is set, and not to be had here',
    );
  });

  test('are those that start: an image that is there is not enough', async () => {
    const breaks = "[ $1 = image ] || { printf 'docker: no profile\\r\\n\\033[0mrun --help\\n' >&2; exit 125; }";
    await expect(tried(breaks, SHUT_IN)).rejects.toThrow('is not to be had here: [0mrun --help');
    expect((await tried(breaks, {})).abilities.sandboxes).not.toContain('container');
    const withoutShell = '[ $1 = image ] || { echo "sh: not found" >&2; exit 127; }';
    expect((await tried(withoutShell, SHUT_IN)).abilities).toMatchObject({ limits: ALL });
  });
});

describe('a machine that is too busy to say what it can do', () => {
  test('is asked again', async () => {
    const { abilities, said } = await tried(HANGS_ONCE, SHUT_IN);
    expect(abilities).toMatchObject({ limits: ALL, sandboxes: expect.arrayContaining(['container']) });
    expect(said).toContain('the machine did not say what it can do: asked again');
  });

  test('can do what it could at the last start', async () => {
    const { abilities, said } = await tried(HANGS, {}, { limits: ALL, sandboxes: ['container'] });
    expect(abilities.sandboxes).toContain('container');
    expect(said).toContain('the machine did not say what it can do: taken to be as at the last start');
  });

  test('is asked again for what containers keep, since what was told may be what it keeps without', async () => {
    const { abilities } = await tried(`${HANGS_ONCE}\n${DISCARDS}`, SHUT_IN, { limits: ALL, sandboxes: ['container'] });
    expect(abilities.limits).toEqual(ALL.filter((limit) => limit !== 'memory_bytes'));
  });

  test('is asked again for what the settings ask for by now, and for what it did not say at the last start', async () => {
    const once = `case "$*" in *--memory*) ${HANGS_ONCE} ;; esac`;
    const settings = { ...SHUT_IN, TASKEJO_AGENT_LIMITS__MEMORY_BYTES: '1000000000' };
    const before = { limits: ['processes'], sandboxes: ['container' as const] };
    expect((await tried(once, settings, before)).abilities.limits).toEqual(ALL);
    const { said } = await tried(HANGS, {}, { limits: [], sandboxes: [] });
    expect(said).not.toContain('the machine did not say what it can do: taken to be as at the last start');
  });

  test('is used without what its settings do not need', async () => {
    const { abilities, said } = await tried(HANGS, {});
    expect(abilities.sandboxes).not.toContain('container');
    expect(said).toContain('the machine did not say what it can do: gone on without until the next start');
  });
});
