import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { taskejoFile } from './command-line.ts';
import { killProcessesIn, processesIn } from './proc.ts';
import { type Call, startRecordingProxy } from './recording-proxy.ts';
import { type Block, readSkill, skillsFolder } from './skills.ts';
import { temporaryFolder } from './temporary.ts';
import { waitFor } from './wait-for.ts';

export type SkillRun = {
  output: string;
  calls: (Call & { place: string })[];
  /** All that was not as it should be; empty when the skill runs as it says. */
  wrong: string[];
};

/** So long may the blocks of one skill take together. */
const LIMIT_MS = 120_000;

/**
 * Runs the blocks of a skill in one shell, as whoever follows it would: in a copy of its folder, with nothing on
 * standard input. `change` puts another text in place of a block's, to show that a mistake is found.
 */
export async function runSkill(
  name: string,
  env: { TASKEJO_URL: string } & Record<string, string>,
  change: (text: string) => string = (text) => text,
): Promise<SkillRun> {
  const folder = temporaryFolder();
  const files = { place: join(folder, 'place'), script: join(folder, 'script'), programs: join(folder, 'bin') };
  const blocks = readSkill(name).blocks.filter((block) => block.language === 'sh' && block.skip === null);
  const steps = blocks.map(({ place, text }) => `printf %s '${place}' >'${files.place}'\n${change(text)}`);
  writeFileSync(files.script, steps.join('\n'));
  writeFileSync(files.place, '');
  mkdirSync(files.programs);
  symlinkSync(taskejoFile, join(files.programs, 'taskejo'));
  cpSync(join(skillsFolder, name), join(folder, name), { recursive: true });
  const place = () => readFileSync(files.place, 'utf8');
  const calls: SkillRun['calls'] = [];
  const proxy = await startRecordingProxy(env.TASKEJO_URL, (call) => calls.push({ ...call, place: place() }));
  try {
    const path = [files.programs, dirname(process.execPath), process.env.PATH].join(delimiter);
    const { code, output } = await bash(files.script, join(folder, name), {
      ...env,
      PATH: path,
      HOME: folder,
      TMPDIR: folder,
      TASKEJO_URL: proxy.url,
    });
    const ended = code === 0 ? [] : [`${place()} ended the shell with ${code}:\n${output}`];
    return { output, calls, wrong: [...ended, ...wrongCalls(blocks, calls), ...(await leftBehind(folder))] };
  } finally {
    killProcessesIn(folder);
    proxy.stop();
  }
}

/** What still runs though the shell has ended. */
async function leftBehind(folder: string): Promise<string[]> {
  const left = () => processesIn(folder).map((process) => `it left running: ${process.arguments}`);
  return waitFor(() => left().length === 0 && []).catch(left);
}

function wrongCalls(blocks: readonly Block[], calls: SkillRun['calls']): string[] {
  return blocks.flatMap(({ place, expect }) => {
    const errors = calls.filter((call) => call.place === place && call.status >= 400);
    const unexpected = errors.filter(({ status }) => status !== expect);
    const words = unexpected.map(({ method, path, status }) => `${place}: ${method} ${path} was answered ${status}`);
    return expect === null || errors.length > unexpected.length ? words : [...words, `${place}: no answer ${expect}`];
  });
}

function bash(
  script: string,
  cwd: string,
  env: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const child = spawn('bash', ['-c', `exec bash -euo pipefail '${script}' <&-`], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const tooLong = setTimeout(() => child.pid && process.kill(-child.pid, 'SIGKILL'), LIMIT_MS);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(tooLong);
      resolve({ code, output });
    });
  });
}
