import { createMiddleware } from 'hono/factory';
import { routePath } from 'hono/route';
import { z } from 'zod';
import { admit } from './auth.ts';
import type { HttpEnv, HttpMetrics } from './env.ts';
import { api, endpoint, openRoute } from './route.ts';

/** Measures each request by the route that answered it, so that there are as many figures as routes. */
export const measured = (metrics: HttpMetrics) =>
  createMiddleware<HttpEnv>(async (c, next) => {
    const beganMs = performance.now();
    await next();
    metrics.answered(c.req.method, routePath(c), c.res.status, (performance.now() - beganMs) / 1000);
  });

/** Anybody may read them, unless the configuration asks for a token. */
const admitted = createMiddleware<HttpEnv>(async (c, next) =>
  c.get('http').openMetrics ? next() : admit('viewer', { path: '/metrics', method: 'get' })(c, next),
);

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
    middleware: [admitted],
  },
  async (c) => {
    const { metrics } = c.get('http');
    return c.text(await metrics.text(), 200, { 'Content-Type': metrics.contentType });
  },
);

export const metricsApi = () => api(show);
