import type { IncomingMessage } from 'node:http';
import type { AgentOptions } from 'node:https';
import { Agent, request } from './node-http.ts';

export type Outgoing = {
  method: string;
  headers: Readonly<Record<string, string>>;
  body: string | Uint8Array | undefined;
  signal: AbortSignal;
};
export type Answer = { status: number; header: (name: 'date' | 'retry-after') => string | null; text: string };

/** One request and its answer, whatever that is. A redirect is an answer. @throws when there was none, or it was cut */
export type Send = (url: string, outgoing: Outgoing) => Promise<Answer>;

/** Over connections that are kept. What TLS needs is loaded only for a server that speaks it. */
export function createSend(isSecure: boolean, options: Pick<AgentOptions, 'secureContext' | 'proxyEnv'> = {}): Send {
  const http = isSecure ? process.getBuiltinModule('node:https') : { Agent, request };
  const agent = new http.Agent({ keepAlive: true, ...options });
  return (url, { body, ...outgoing }) =>
    new Promise((resolve, reject) => {
      http
        .request(url, { ...outgoing, agent }, (answer) => readAnswer(answer).then(resolve, reject))
        .on('error', reject)
        .end(body);
    });
}

async function readAnswer(answer: IncomingMessage): Promise<Answer> {
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part;
  return { status: answer.statusCode ?? 0, header: (name) => answer.headers[name] ?? null, text };
}
