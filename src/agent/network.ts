import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { SecureContext } from 'node:tls';
import type { Environment } from '../yaml-file.ts';
import type { AgentConfig } from './config.ts';
import { AgentError } from './exit.ts';
import { createSend, type Send } from './send.ts';

const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];

/**
 * Requests that go the way that their machine goes: through the proxy that the environment names, trusting whom the
 * machine trusts, and the certificates of the settings. @throws {AgentError} when they are none
 */
export function machinesNetwork({ server }: Pick<AgentConfig, 'server'>, env: Environment): Send {
  const isSecure = server.url.startsWith('https:');
  return createSend(isSecure, {
    proxyEnv: proxiesOf(env),
    ...(isSecure ? { secureContext: trusting(server.caFile) } : {}),
  });
}

/** Made once: the certificates are some hundreds, and each connection that got them as a list would read them all. */
function trusting(caFile: string | null): SecureContext {
  const { createSecureContext, getCACertificates } = process.getBuiltinModule('node:tls');
  const own = caFile === null ? [] : [readCertificates(caFile)];
  return createSecureContext({
    ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...own])],
  });
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
