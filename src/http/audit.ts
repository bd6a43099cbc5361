import * as wire from '../contract/audit.ts';
import { listAudit, type StoredAct } from '../usecases/access/read-audit.ts';
import { presentPage } from './present.ts';
import { answers, api, apiRoute, endpoint, pageAsked, pageOnly } from './route.ts';

const list = endpoint(
  apiRoute('admin', [], {
    method: 'get',
    path: '/api/v1/audit',
    tags: ['audit'],
    summary: 'List the acts that belong to no task',
    description: 'Who made and ended tokens and agents, and who was not let in. Each is hashed over the one before.',
    request: { query: pageOnly },
    responses: { 200: answers(wire.auditList, 'A page of acts, newest first') },
  }),
  async (c) => {
    const page = await listAudit(c.get('http').deps, pageAsked(c.req.valid('query')));
    return c.json(presentPage(page, present), 200);
  },
);

const present = ({ previousHash, data, ...act }: StoredAct): wire.AuditEvent => ({
  ...act,
  data: { ...data },
  previous_hash: previousHash,
});

export const auditApi = () => api(list);
