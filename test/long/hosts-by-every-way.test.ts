import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { findServer } from '../../src/config/running-server.ts';
import type { Agent } from '../../src/contract/agent.ts';
import { lines, printing, underWay } from '../support/hosted.ts';
import { listProcesses } from '../support/proc.ts';
import { describeIf } from '../support/require.ts';
import { startServerProcess } from '../support/serve.ts';
import { startSshAgent } from '../support/ssh-agent.ts';
import { hostEntryOf } from '../support/ssh-host.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { createTaskClient } from '../support/task-client.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { waitFor } from '../support/wait-for.ts';

const PASSPHRASE = 'open sesame 4711';

describeIf('sshd', 'tasks run on hosts', () => {
  const sshd = async () => {
    const started = await startSshd();
    onTestFinished(() => started.stop());
    return started;
  };

  /** A certificate beside the key, which `ssh-add` takes too. */
  const certify = ({ privateKeyPath, user }: Sshd) => {
    const authority = join(temporaryFolder(), 'authority');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', authority]);
    execFileSync('ssh-keygen', ['-q', '-s', authority, '-I', 'me', '-n', user, `${privateKeyPath}.pub`]);
  };

  it('by a key with a passphrase, by an ssh-agent and known_hosts, and through another host', async () => {
    const [locked, held, behind] = await Promise.all([sshd(), sshd(), sshd()]);
    execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', PASSPHRASE, '-f', locked.privateKeyPath]);
    const agent = await startSshAgent();
    certify(held);
    agent.add(held.privateKeyPath);
    agent.add(behind.privateKeyPath);
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'known'), `[127.0.0.1]:${held.port} ${held.hostKeyLines[0]}\n`);
    const { private_key: _key, host_key: _hostKey, ...heldEntry } = hostEntryOf(held, { id: 'held', labels: ['held'] });
    const { private_key: _otherKey, ...behindEntry } = hostEntryOf(behind, { id: 'behind', labels: ['behind'] });
    const configuration = {
      ssh: { probe_seconds: 1, known_hosts: 'known' },
      hosts: [
        { ...behindEntry, ssh_agent: agent.socket, jump: 'locked' },
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
    const { id } = await tasks.create(printing(50), { requires: ['behind'] });
    await underWay(tasks, id);
    await server.killAndRestart();
    const found = await tasks.ended(id);
    expect(found).toMatchObject({ status: 'completed', attempt: { number: 1 } });
    expect(await tasks.printed(found.attempt?.id ?? '')).toBe(lines(50));
    expect(server.log()).not.toContain(PASSPHRASE);
    expect(server.log()).not.toContain('PRIVATE KEY');
    expect(listProcesses().filter((one) => one.arguments.includes(PASSPHRASE))).toEqual([]);
  });

  it('again at once when the file says that the key is right for which a host was parked', async () => {
    const host = await sshd();
    const entry = hostEntryOf(host, { id: 'box', labels: ['box'] });
    const file = join(temporaryFolder(), 'taskejo.yaml');
    const write = (host_key: string) => writeFileSync(file, JSON.stringify({ hosts: [{ ...entry, host_key }] }));
    write(`SHA256:${'A'.repeat(43)}`);
    const server = await startServerProcess({ TASKEJO_CONFIG: file });
    onTestFinished(() => server.stop());
    const box = () => server.api<Agent>('GET', '/api/v1/agents/box');
    const parked = await waitFor(async () => {
      const found = await box();
      return found.state === 'cordoned' && found;
    });
    expect(parked).toMatchObject({ online: false, state_reason: { code: 'host_key' } });
    expect(host.said()).not.toMatch(/Accepted|Failed/);
    write(host.hostKeyFingerprint);
    process.kill(findServer(server.dataDir) ?? Number.NaN, 'SIGHUP');
    await waitFor(async () => (await box()).state === 'online');
    expect(await box()).toMatchObject({ state_reason: null });
  });
});
