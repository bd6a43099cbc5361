import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setGlobalProxyFromEnv } from 'node:http';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Environment } from '../yaml-file.ts';
import type { AgentConfig } from './config.ts';
import { AgentError } from './exit.ts';

const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];

/**
 * Lets every request of this process go the way that its machine goes: through the proxy that the environment names,
 * trusting whom the machine trusts, and the certificates of the settings. @throws {AgentError} when they are none
 */
export function useMachinesNetwork({ server }: Pick<AgentConfig, 'server'>, env: Environment): void {
  setGlobalProxyFromEnv(proxiesOf(env));
  // Reading them costs memory, which an agent that speaks plain HTTP needn't spend.
  if (!server.url.startsWith('https:')) return;
  const own = server.caFile === null ? [] : [readCertificates(server.caFile)];
  setDefaultCACertificates([...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...own])]);
}

function proxiesOf(env: Environment): NodeJS.ProcessEnv {
  const names = PROXY_VARIABLES.flatMap((name) => [name.toLowerCase(), name]);
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

function readCertificates(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    new X509Certificate(text);
    return text;
  } catch (error) {
    throw new AgentError(`${path} holds no certificates (PEM): ${(error as Error).message}`, undefined, {
      cause: error,
    });
  }
}
