import { health, readiness } from '../contract/health.ts';
import { AppError } from '../domain/errors.ts';
import { isReady } from '../usecases/upkeep/readiness.ts';
import { answers, api, endpoint, openRoute } from './route.ts';

const tags = ['health'];

const alive = endpoint(
  openRoute([], {
    method: 'get',
    path: '/healthz',
    tags,
    summary: 'Whether the process lives',
    responses: { 200: answers(health, 'It does') },
  }),
  (c) => {
    const { installation, version } = c.get('http');
    const { id, generation } = installation;
    return c.json({ status: 'ok', installation_id: id, generation, version } as const, 200);
  },
);

const ready = endpoint(
  openRoute([], {
    method: 'get',
    path: '/readyz',
    tags,
    summary: 'Whether the server can take requests',
    responses: { 200: answers(readiness, 'The database answers and has its tables') },
  }),
  async (c) => {
    const { deps, stopping } = c.get('http');
    if (stopping.aborted) throw new AppError('unavailable', 'The server is stopping.');
    if (!(await isReady(deps))) throw new AppError('unavailable', 'The database does not answer.');
    return c.json({ status: 'ready' } as const, 200);
  },
);

export const healthApi = () => api(alive, ready);
