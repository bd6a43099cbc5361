import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeptLimits, LIMITS, PLENTY } from '../../executor/kept-limits.ts';
import { type ContainerOptions, limitOptions, runOptions } from './container.ts';
import { tryProgram } from './probe.ts';
import type { Missing } from './sandboxes.ts';

const NO_SUCH_PROGRAM = 127;
/** What the programs say of a limit that they don't keep, and go on without. */
const LEFT_OUT = /\b(?:discarded|ignored)\b/i;

/** Runs containers that do nothing: with all limits, and where these aren't kept with each alone. @throws {Unsaid} */
export async function tryContainer(
  options: ContainerOptions,
  workDir: string,
  patienceMs: number,
): Promise<ContainerOptions | Missing> {
  const askFor: AskFor = (words) => tryProgram([options.program, ...words], { env: options.environment, patienceMs });
  const image = await askFor(['image', 'inspect', options.image]);
  if (image.reason !== null) return { missing: `image ${options.image}: ${image.reason}` };
  await mkdir(workDir, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(workDir, 'probe-'));
  const whyNot = (limits: Partial<Record<keyof KeptLimits, number>>) => tryOne(askFor, options, folder, limits);
  try {
    await writeFile(join(folder, 'file'), '');
    if ((await whyNot(PLENTY)) === null) return options;
    const reason = await whyNot({});
    if (reason !== null) return { missing: reason };
    const kept = { ...options.kept };
    for (const limit of LIMITS) kept[limit] = await whyNot({ [limit]: PLENTY[limit] });
    return { ...options, kept };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type AskFor = (words: readonly string[]) => ReturnType<typeof tryProgram>;

/** Why it can't be run so; null: it can. */
async function tryOne(
  askFor: AskFor,
  options: ContainerOptions,
  folder: string,
  limits: Partial<Record<keyof KeptLimits, number>>,
): Promise<string | null> {
  const name = `taskejo-probe-${crypto.randomUUID()}`;
  const places = { workspace: folder, temporary: folder, files: [join(folder, 'file')] };
  const how = [...runOptions(name, options, places), ...limitOptions(limits)];
  try {
    const said = await askFor(['run', '--rm', ...how, options.image, 'sh', '-c', ':']);
    // An image need not have a shell: all but that was there.
    if (said.reason !== null && said.code !== NO_SUCH_PROGRAM) return said.reason;
    return said.stderr.split('\n').find((line) => LEFT_OUT.test(line)) ?? null;
  } catch (error) {
    await askFor(['rm', '--force', name]).catch(() => {}); // it hangs, as that did
    throw error;
  }
}
