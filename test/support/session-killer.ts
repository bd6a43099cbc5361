import { onTestFinished } from 'vitest';
import { sshHostOf } from './ssh-host.ts';
import type { Sshd } from './sshd.ts';

const EACH_MS = 400;
/** A link lives for so many times what an operation takes alone: else nothing would ever come of one on a slow machine. */
const ROOM = 4;

/** Kills all that serves connections again and again until the test is over, on most machines each 400 ms. */
export async function killSessionsOften(sshd: Sshd): Promise<{ killed(): number; stop(): void }> {
  await operationMs(sshd); // the first one also brings the script
  const everyMs = Math.max(EACH_MS, ROOM * (await operationMs(sshd)));
  let killed = 0;
  const killing = setInterval(() => {
    killed += sshd.killSessions();
  }, everyMs);
  const stop = () => clearInterval(killing);
  onTestFinished(stop);
  return { killed: () => killed, stop };
}

/** How long it takes to connect and to ask for something. */
async function operationMs(sshd: Sshd): Promise<number> {
  const { machine, close } = sshHostOf(sshd);
  const began = performance.now();
  try {
    await machine.ping(new AbortController().signal);
    return performance.now() - began;
  } finally {
    close();
  }
}
