import { DemoError, Interrupted } from './errors.ts';
import { findHost } from './find-host.ts';
import { introduce, sumUp, tellHowToGoOn } from './frame.ts';
import { hostComesBack } from './outage.ts';
import { startAgent, startServer } from './programs.ts';
import { byAssignment, byPulling, ignored, overSsh, refused } from './scenes.ts';
import { openStage, type Stage } from './stage.ts';
import { createTeller, type Teller } from './teller.ts';
import { pause } from './until.ts';

const DEATHS_SHOW_WITHIN_MS = 300;

/**
 * Shows the main job on this machine, with nothing configured: recorded deliveries become tasks that are done over SSH
 * and by an agent. Ends everything it started and removes its files; with `keep` it stays up until a signal comes.
 * Answers the exit code.
 */
export async function runDemo({ keep }: { keep: boolean }): Promise<number> {
  const teller = createTeller(process.stdout);
  const stage = openStage();
  const failure = await play(stage, teller, keep).then(
    () => null,
    (error: unknown) => reasonOf(error, stage.signal),
  );
  const logs = await stage.close(failure !== null && !(failure instanceof Interrupted));
  if (failure === null) {
    teller.say('Everything is ended and removed.');
    return 0;
  }
  teller.say(
    failure instanceof Interrupted ? `Ended: ${failure.message}.` : `The demo failed: ${wordsOf(failure)}`,
    'red',
  );
  if (logs !== null) teller.say(`What its programs wrote is in ${logs}`);
  return failure instanceof Interrupted ? failure.exitCode : 1;
}

async function play(stage: Stage, teller: Teller, keep: boolean): Promise<void> {
  const { signal } = stage;
  teller.title("Taskejo's main job, in about a minute");
  teller.say(`All of it runs on this machine in ${stage.folder}, which is removed at the end.`);
  const host = await findHost(stage, teller);
  const served = await startServer(stage, host);
  const { api } = served;
  teller.say(`The server listens on ${api.url}, with an embedded PostgreSQL.`);
  await startAgent(stage, api);
  const story = { api, teller, signal };
  await introduce(story, host);
  await overSsh(story);
  await byPulling(story);
  await byAssignment(story);
  await hostComesBack(story, host);
  await ignored(story);
  await refused(story);
  await sumUp(story);
  tellHowToGoOn(teller, served, keep);
  if (keep) await untilSomebodyEndsIt(signal);
}

/** What was waited for fails too when a program ends or somebody ends the demo; the signal knows why, at once or soon. */
async function reasonOf(error: unknown, signal: AbortSignal): Promise<unknown> {
  await pause(DEATHS_SHOW_WITHIN_MS, signal).catch(() => {});
  return signal.aborted ? signal.reason : error;
}

/** A signal is the way out here, and no failure. */
async function untilSomebodyEndsIt(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const alive = setInterval(() => {}, 60_000);
  if (signal.aborted) resolve();
  signal.addEventListener('abort', () => resolve());
  await promise;
  clearInterval(alive);
  if (!(signal.reason instanceof Interrupted)) throw signal.reason;
}

/** Our own words are meant to be read; of anything else the place is needed to mend it. */
function wordsOf(failure: unknown): string {
  if (failure instanceof DemoError || !(failure instanceof Error)) return (failure as Error).message ?? failure;
  return failure.stack ?? failure.message;
}
