import { z } from 'zod';
import { accepted } from '../contract/delivery.ts';
import { AppError } from '../domain/errors.ts';
import { verifySignature } from '../forgejo/signature.ts';
import { acceptDelivery } from '../usecases/forge/accept-delivery.ts';
import { isJsonType, MAX_BODY_BYTES, readBytes } from './body.ts';
import type { HttpContext, HttpDeps } from './env.ts';
import { answers, api, endpoint, openRoute } from './route.ts';

const codes = ['signature_invalid', 'unknown_forge', 'unsupported_media_type', 'too_large', 'malformed'] as const;

const described = {
  method: 'post' as const,
  tags: ['deliveries'],
  responses: { 202: answers(accepted, 'It is stored, with what was decided on it') },
};
/** Described here, but read as bytes below. */
const body = { required: true, content: { 'application/json': { schema: { type: 'object' as const } } } };

const named = endpoint(
  openRoute(codes, {
    ...described,
    path: '/webhooks/forgejo/{forge}',
    summary: 'Take a delivery of a forge',
    description: 'For the forge, which signs the raw body: `X-Forgejo-Signature`.',
    request: { params: z.object({ forge: z.string() }), body },
  }),
  async (c) => c.json(await take(c, forgeNamed(c.get('http'), c.req.valid('param').forge)), 202),
);

const only = endpoint(
  openRoute(codes, {
    ...described,
    path: '/webhooks/forgejo',
    summary: 'Take a delivery of the forge, where there is only one',
    request: { body },
  }),
  async (c) => c.json(await take(c, onlyForge(c.get('http'))), 202),
);

type Forge = HttpDeps['forges'][number];

function forgeNamed({ forges }: HttpDeps, name: string): Forge {
  const forge = forges.find((one) => one.name === name);
  if (forge === undefined) throw new AppError('unknown_forge', `No forge ${name} is configured.`);
  return forge;
}

function onlyForge({ forges }: HttpDeps): Forge {
  const [forge, another] = forges;
  if (forge !== undefined && another === undefined) return forge;
  throw new AppError('unknown_forge', `${forges.length} forges are configured; name one in the address.`);
}

/** The signature is over the bytes as they came, so nothing is parsed before it was found right. */
async function take(c: HttpContext, forge: Forge) {
  const contentType = c.req.header('content-type') ?? '';
  if (!isJsonType(contentType)) {
    throw new AppError('unsupported_media_type', 'Set the content type of the webhook to application/json.');
  }
  const body = await readBytes(c, MAX_BODY_BYTES);
  const headers = c.req.header();
  if (!verifySignature(body, headers, forge.webhookSecrets)) {
    c.get('http').refusedDeliveries.note(forge.name);
    throw new AppError('signature_invalid', 'X-Forgejo-Signature does not fit the body and any secret of this forge.');
  }
  const { deps, templates, rules } = c.get('http');
  const { deliveryId, decision, reason, taskIds } = await acceptDelivery(
    deps,
    { forge, templates, rules },
    { headers, body },
  );
  return { delivery_id: deliveryId, decision, reason, task_ids: taskIds };
}

export const webhooksApi = () => api(named, only);
