import { accessSync, constants, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { type EmbeddedDatabase, startEmbedded } from '../../src/store/embedded/start-embedded.ts';
import { createTemplate, dropTestDatabases, type TestServer } from './test-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    testServer: TestServer;
  }
}

/** One PostgreSQL for the whole run, with a migrated database that each file copies. Undone at the end. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const forget = project.vitest.config.coverage.enabled ? async () => {} : compileOnce();
  const url = process.env.TEST_DATABASE_URL;
  const close = await (url === undefined || url === '' ? useEmbedded(project) : useServerAt(url, project));
  return async () => {
    await close();
    await forget();
  };
}

/** Half of what a short program needs is compiling, and a run starts some hundreds. Coverage would lose by it. */
function compileOnce(): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'taskejo-compiled-'));
  process.env.NODE_COMPILE_CACHE = folder;
  // Programs that end right now still write there.
  return () => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

async function useEmbedded(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(sharedMemory(), 'taskejo-test-'));
  let server: EmbeddedDatabase | undefined;
  const close = async () => {
    await server?.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    // What a test writes need not survive a power cut, nor be cleaned up in some hundred databases every ten seconds.
    const settings = { fsync: 'off', full_page_writes: 'off', max_connections: '300', autovacuum: 'off' };
    server = await startEmbedded({ dataDir, settings });
    project.provide('testServer', await createTemplate(server.connectionString));
  } catch (error) {
    await close();
    throw error;
  }
  return close;
}

async function useServerAt(url: string, project: TestProject): Promise<() => Promise<void>> {
  const server = await createTemplate(url);
  project.provide('testServer', server);
  return () => dropTestDatabases(server);
}

function sharedMemory(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}
