/**
 * Makes the pictures of the pages from the running demo, so that they never lie: `npm run screenshots`.
 * Needs a Chromium on the machine (`CHROMIUM`, else /usr/bin/chromium).
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { startChromium } from '../test/support/chromium.ts';

const pictures = new URL('./pictures/', import.meta.url);
const program = fileURLToPath(new URL('../bin/taskejo.js', import.meta.url));
type Shot = { name: string; path: string; scheme: 'light' | 'dark'; width: number; height: number };

async function take(browser: Browser, address: string, shot: Shot): Promise<void> {
  const page = await browser.newPage({
    viewport: { width: shot.width, height: shot.height },
    colorScheme: shot.scheme,
    deviceScaleFactor: 1,
  });
  await page.goto(new URL(shot.path, address).href, { waitUntil: 'load' });
  await page.screenshot({ path: fileURLToPath(new URL(`${shot.name}.png`, pictures)) });
  await page.close();
}

async function main(): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  const browser = await startChromium(process.env.CHROMIUM ?? '/usr/bin/chromium');
  const demo = spawn(process.execPath, [program, 'demo'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const address = await addressInTheMiddle(demo.stdout);
    await take(browser, address, { name: 'tasks', path: '/', scheme: 'light', width: 1100, height: 440 });
    await take(browser, address, { name: 'tasks-dark', path: '/', scheme: 'dark', width: 1100, height: 440 });
  } finally {
    await browser.close();
    demo.kill('SIGINT');
    await new Promise((resolve) => demo.once('exit', resolve));
  }
}

/** The pages' address, at the moment when the demo has taken a host away from a running task. */
async function addressInTheMiddle(output: NodeJS.ReadableStream): Promise<string> {
  let address: string | undefined;
  for await (const line of createInterface({ input: output })) {
    address ??= /(http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (address !== undefined && /is taken away/.test(line)) return address;
  }
  throw new Error('the demo ended before its host was taken away');
}

await main();
