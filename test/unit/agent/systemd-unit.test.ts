import { expect, test } from 'vitest';
import { systemdUnit } from '../../../src/agent/systemd-unit.ts';

const unit = (command: string[], user: { name: string; stateDir: string } | null = null) =>
  systemdUnit({ command, user, stopSeconds: 40.5, target: 'multi-user.target' });

test('the unit leaves what the agent started alone, and gives it the time that it asks for', () => {
  const text = unit(['/usr/bin/node', '/opt/taskejo/bin/taskejo.js', 'agent']);
  expect(text).toContain('\nExecStart=/usr/bin/node /opt/taskejo/bin/taskejo.js agent\n');
  expect(text).toContain('\nKillMode=process\nTimeoutStopSec=71\n');
  expect(text).toContain('\nRestart=on-failure\nRestartSec=5\nRestartPreventExitStatus=2 3\n');
  expect(unit(['/x'])).not.toContain('User=');
});

test('the unit of another user makes the folder for the state where it may, and says which it is', () => {
  const text = unit(['/x'], { name: 'runner', stateDir: '/var/lib/taskejo-agent' });
  expect(text).toContain(`
User=runner
StateDirectory=taskejo-agent
StateDirectoryMode=0700
CacheDirectory=taskejo-agent
CacheDirectoryMode=0700
Environment=TASKEJO_AGENT_STATE_DIR=/var/lib/taskejo-agent
ExecStart=/x
`);
  expect(unit(['/x'], { name: 'runner', stateDir: '/srv/a b' })).toContain(
    'User=runner\nCacheDirectory=taskejo-agent\nCacheDirectoryMode=0700\nEnvironment="TASKEJO_AGENT_STATE_DIR=/srv/a b"\nExecStart=',
  );
});

test('words with what systemd would read otherwise are quoted', () => {
  expect(unit(['/a b/n', '50%', '$HOME', 'say "x"', 'back\\slash', 'two\nlines'])).toContain(
    'ExecStart="/a b/n" 50%% $$HOME "say \\"x\\"" "back\\\\slash" "two\\x0alines"\n',
  );
});

test('a $ stands for itself in the name of the program and in the environment, where systemd expands none', () => {
  const text = unit(['/opt/$x/n', '$x'], { name: 'runner', stateDir: '/srv/$x' });
  expect(text).toContain('\nEnvironment=TASKEJO_AGENT_STATE_DIR=/srv/$x\nExecStart=/opt/$x/n $$x\n');
});
