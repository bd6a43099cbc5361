import { isUtf8 } from 'node:buffer';
import { deliveriesQuery, deliveryInFull, deliveryList } from '../contract/delivery.ts';
import { notFound } from '../domain/errors.ts';
import { getDelivery, listDeliveries } from '../usecases/forge/read-deliveries.ts';
import { presentDelivery, presentPage } from './present.ts';
import { answers, api, apiRoute, endpoint, idInPath, pageAsked } from './route.ts';

const tags = ['deliveries'];

const list = endpoint(
  apiRoute('coordinator', [], {
    method: 'get',
    path: '/api/v1/deliveries',
    tags,
    summary: 'List what forges sent, and what was decided on it',
    request: { query: deliveriesQuery },
    responses: { 200: answers(deliveryList, 'A page of deliveries, newest first') },
  }),
  async (c) => {
    const { forge_uuid, decision, repository, task_id, ...page } = c.req.valid('query');
    const filter = { forgeUuid: forge_uuid, decision, repository, taskId: task_id };
    return c.json(presentPage(await listDeliveries(c.get('http').deps, filter, pageAsked(page)), presentDelivery), 200);
  },
);

const show = endpoint(
  apiRoute('coordinator', [], {
    method: 'get',
    path: '/api/v1/deliveries/{id}',
    tags,
    summary: 'Show a delivery with its headers, its body and what each rule said',
    request: { params: idInPath },
    responses: { 200: answers(deliveryInFull, 'The delivery') },
  }),
  async (c) => {
    const found = await getDelivery(c.get('http').deps, c.req.valid('param').id);
    if (found === null) throw notFound('delivery');
    const encoding = isUtf8(found.body) ? 'utf-8' : 'base64';
    const body = Buffer.from(found.body).toString(encoding);
    const { headers, rules } = found;
    return c.json({ ...presentDelivery(found), headers, body, body_encoding: encoding, rules } as const, 200);
  },
);

export const deliveriesApi = () => api(list, show);
