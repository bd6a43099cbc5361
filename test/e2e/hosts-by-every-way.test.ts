import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { listProcesses } from '../support/proc.ts';
import { describeIf } from '../support/require.ts';
import { startServerProcess } from '../support/serve.ts';
import { startSshAgent } from '../support/ssh-agent.ts';
import { hostEntryOf } from '../support/ssh-host.ts';
import { startSshd } from '../support/sshd.ts';
import { createTaskClient } from '../support/task-client.ts';
import { temporaryFolder } from '../support/temporary.ts';

const PASSPHRASE = 'open sesame 4711';

describeIf('sshd', 'tasks run on hosts', () => {
  const sshd = async () => {
    const started = await startSshd();
    onTestFinished(() => started.stop());
    return started;
  };

  it('by a key with a passphrase, by an ssh-agent and known_hosts, and through another host', async () => {
    const [locked, held, behind] = await Promise.all([sshd(), sshd(), sshd()]);
    execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', PASSPHRASE, '-f', locked.privateKeyPath]);
    const agent = await startSshAgent();
    agent.add(held.privateKeyPath);
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'known'), `[127.0.0.1]:${held.port} ${held.hostKeyLines[0]}\n`);
    const { private_key: _key, host_key: _hostKey, ...heldEntry } = hostEntryOf(held, { id: 'held', labels: ['held'] });
    const configuration = {
      ssh: { probe_seconds: 1, known_hosts: 'known' },
      hosts: [
        { ...hostEntryOf(behind, { id: 'behind', labels: ['behind'] }), jump: 'locked' },
        { ...hostEntryOf(locked, { id: 'locked', labels: ['locked'] }), passphrase: { env: 'PASSPHRASE' } },
        { ...heldEntry, ssh_agent: { env: 'SSH_AUTH_SOCK' } },
      ],
    };
    const file = join(folder, 'taskejo.yaml');
    writeFileSync(file, JSON.stringify(configuration));
    const server = await startServerProcess({ TASKEJO_CONFIG: file, PASSPHRASE, SSH_AUTH_SOCK: agent.socket });
    onTestFinished(() => server.stop());
    const tasks = createTaskClient(server);
    for (const label of ['locked', 'held', 'behind']) {
      const { id } = await tasks.create(`echo on ${label}; echo $SSH_AUTH_SOCK`, { requires: [label] });
      const ended = await tasks.ended(id);
      expect(ended).toMatchObject({ status: 'completed', assigned_agent_id: label });
      expect(await tasks.printed(ended.attempt?.id ?? '')).toBe(`on ${label}\n\n`);
    }
    expect(server.log()).not.toContain(PASSPHRASE);
    expect(server.log()).not.toContain('PRIVATE KEY');
    expect(listProcesses().filter((one) => one.arguments.includes(PASSPHRASE))).toEqual([]);
  });
});
