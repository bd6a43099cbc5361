import type { DemoHost } from './demo-host.ts';
import { DemoError } from './errors.ts';
import { installSshd, whyNotInstallable } from './install-sshd.ts';
import { trySshHost } from './ssh-client.ts';
import { startLoopbackSshHost } from './ssh-host.ts';
import { findSshd, startSshd } from './sshd.ts';
import type { Stage } from './stage.ts';
import type { Teller } from './teller.ts';

/**
 * A machine for the server to drive: a real sshd on loopback where there is one or one may be installed, else an SSH
 * server within this process. It was signed in to before it is answered.
 */
export async function findHost(stage: Stage, teller: Teller): Promise<DemoHost> {
  const home = stage.room('host');
  const program = findSshd() ?? (await install(stage, teller));
  if (program !== null) {
    try {
      const { folder, signal } = stage;
      const host = await startSshd({ program, folder, home, logFile: stage.logFile('sshd'), signal });
      stage.defer(() => host.stop());
      await trySshHost(host);
      return host;
    } catch (error) {
      stage.signal.throwIfAborted();
      if (!(error instanceof DemoError)) throw error;
      teller.say(`${program} is here but can't be used as this user: ${error.message}`);
    }
  }
  teller.say('An SSH server that the demo itself serves on loopback takes its place.');
  const host = await startBuiltIn(home);
  stage.defer(() => host.stop());
  await trySshHost(host);
  return host;
}

async function install(stage: Stage, teller: Teller): Promise<string | null> {
  const objection = whyNotInstallable();
  if (objection !== null) {
    teller.say(`There is no sshd on this machine, and ${objection}.`);
    return null;
  }
  teller.say("There is no sshd on this machine; installing Debian's openssh-server, without starting its service.");
  const failure = await installSshd(stage.watch, stage.signal);
  stage.signal.throwIfAborted();
  if (failure !== null) teller.say(`That did not work: ${failure}`);
  return findSshd();
}

async function startBuiltIn(home: string): Promise<DemoHost> {
  const served = await startLoopbackSshHost({ home });
  return {
    description: 'an SSH server within the demo (ssh2)',
    port: served.port,
    user: served.user,
    privateKey: served.privateKey,
    hostKey: served.hostKeyFingerprint,
    vanish: served.pause,
    comeBack: served.resume,
    stop: served.stop,
  };
}
