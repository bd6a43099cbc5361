import { z } from 'zod';
import { admit } from './auth.ts';
import { api, endpoint, type Guard, openRoute } from './route.ts';

/** Anybody may read them, unless the configuration asks for a token. */
const viewer = admit('viewer', { path: '/metrics', method: 'get' });
const admitted: Guard = async (c) => c.get('http').openMetrics || viewer(c);

const show = endpoint(
  {
    ...openRoute([], {
      method: 'get',
      path: '/metrics',
      tags: ['health'],
      summary: 'Figures for Prometheus',
      description: 'For anybody, or with `metrics.open: false` for a token of scope viewer.',
      responses: {
        200: { description: 'The figures', content: { 'text/plain': { schema: z.string() } } },
      },
    }),
    guards: [admitted],
  },
  async (c) => {
    const { metrics } = c.get('http');
    return c.text(await metrics.text(), 200, { 'Content-Type': metrics.contentType });
  },
);

export const metricsApi = () => api(show);
