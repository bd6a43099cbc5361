import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Api, createApi } from './api.ts';
import { startChild } from './child.ts';
import { AGENT, agentConfiguration, HOST, serverConfiguration } from './configuration.ts';
import { RECORDED_SECRET } from './deliveries.ts';
import type { DemoHost } from './demo-host.ts';
import type { Stage } from './stage.ts';
import { until } from './until.ts';

const START_MS = 60_000;
const STOP_MS = 11_000;

export type Served = { api: Api; tokenFile: string };

/** Starts the server on an embedded database; answers when it takes requests and its host is online. */
export async function startServer(stage: Stage, { port, user, privateKey, hostKey }: DemoHost): Promise<Served> {
  const { folder, signal } = stage;
  const configFile = join(folder, 'taskejo.yaml');
  secretFile(join(folder, 'webhook-secret'), RECORDED_SECRET);
  secretFile(join(folder, 'host-access-key'), privateKey);
  secretFile(configFile, json(serverConfiguration(folder, { port, user, hostKey })));
  const child = startChild({
    name: 'the server',
    args: ['serve', '--config', configFile],
    home: stage.room('server'),
    logFile: stage.logFile('server'),
    onDeath: stage.fail,
  });
  stage.defer(() => child.stop(STOP_MS));
  const [, url = ''] = await child.line(/^listening on (http:\S+)/, { withinMs: START_MS, signal });
  const tokenFile = join(folder, 'data', 'admin-token');
  const api = createApi(url.replace(/\/+$/, ''), readFileSync(tokenFile, 'utf8').trim());
  await until(`${HOST} coming online`, async () => ((await isOnline(api, HOST)) ? true : null), {
    withinMs: 20_000,
    signal,
  });
  return { api, tokenFile };
}

/** Starts the pull agent with a registration token; answers when the server sees it online. */
export async function startAgent(stage: Stage, api: Api): Promise<void> {
  const { signal } = stage;
  const home = stage.room('agent');
  const { token } = await api.createToken('demo registration', 'register');
  secretFile(join(home, 'registration-token'), token);
  secretFile(join(home, 'agent.yaml'), json(agentConfiguration(home, api.url)));
  const child = startChild({
    name: 'the agent',
    args: ['agent', '--config', join(home, 'agent.yaml')],
    home,
    logFile: stage.logFile('agent'),
    onDeath: stage.fail,
  });
  stage.defer(() => child.stop(STOP_MS));
  await child.line(/^agent \S+ online at /, { withinMs: 30_000, signal });
  await until(`${AGENT} coming online`, async () => ((await isOnline(api, AGENT)) ? true : null), {
    withinMs: 10_000,
    signal,
  });
}

const isOnline = async (api: Api, name: string): Promise<boolean> =>
  (await api.agents()).some((agent) => agent.name === name && agent.online);

const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

const secretFile = (path: string, content: string): void => writeFileSync(path, content, { mode: 0o600 });
