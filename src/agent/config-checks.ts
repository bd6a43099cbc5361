import { z } from 'zod';
import type { Path } from '../yaml-file.ts';
import { isLoopback } from './config-schema.ts';

type Problem = { path: Path; message: string };

const parts = z.object({ server: z.unknown(), sandbox: z.unknown(), container: z.unknown() }).partial();

/** What is wrong between the settings; they may be of any shape. */
export function checkAcross(data: unknown): Problem[] {
  const { server, sandbox, container } = parts.safeParse(data).data ?? {};
  return [...checkTokens(server), ...checkPlainHttp(server), ...checkImage(sandbox, container)];
}

const bothTokens = z.object({ token: z.string(), registration_token: z.string() });

const checkTokens = (server: unknown): Problem[] =>
  bothTokens.safeParse(server).success
    ? [{ path: ['server', 'token'], message: 'give token or registration_token, not both' }]
    : [];

const speaksTo = z.object({ url: z.string(), allow_plain_http: z.boolean().default(false) });

function checkPlainHttp(server: unknown): Problem[] {
  const { data } = speaksTo.safeParse(server);
  const url = URL.parse(data?.url ?? '');
  if (url?.protocol !== 'http:' || isLoopback(url.hostname) || data?.allow_plain_http) return [];
  const message =
    'is on another machine, to which tokens and logs would travel in the clear: ' +
    'give its https address, or say server.allow_plain_http: true';
  return [{ path: ['server', 'url'], message }];
}

const named = z.object({ image: z.string() });

function checkImage(sandbox: unknown, container: unknown): Problem[] {
  if (sandbox !== 'container' || named.safeParse(container).success) return [];
  return [{ path: ['container', 'image'], message: 'is needed where sandbox is container' }];
}
