import { randomBytes } from 'node:crypto';

/** Names an installation that something is tried under, so that its folder can go with all that is in it. */
export const newCheckFolder = (): string => `check-${randomBytes(6).toString('hex')}`;

/** Runs a short script on the host. */
type Shell = (script: Uint8Array, signal: AbortSignal) => Promise<unknown>;

/** Removes it, and those that others had no time to remove. That it can't be is only untidy. */
export async function removeCheckFolder(sh: Shell, folder: string, signal: AbortSignal): Promise<void> {
  // Its name is made above, of hexadecimal digits.
  const script = `cd .taskejo && rm -rf ${folder} && find . ! -name . -prune -name 'check-*' -mtime +0 -exec rm -rf {} +\n`;
  await sh(Buffer.from(script), signal).catch(() => {});
}
