import type { z } from 'zod';
import type { health } from '../contract/health.ts';
import { fields, isText } from './fields.ts';
import type { ServerClient } from './http.ts';

const installation = fields<Pick<z.output<typeof health>, 'installation_id'>>({ installation_id: isText });

/** Asks the server which installation it is. @throws {ServerAway} */
export async function installationOf(client: ServerClient, signal: AbortSignal): Promise<string> {
  const answer = await client({ method: 'GET', path: '/healthz', schema: installation }, signal);
  return answer.installation_id;
}
