import { Hono } from 'hono';
import { createMiddleware } from 'hono/factory';
import { createAccess } from './access/access.ts';
import { loginRoutes } from './access/login.ts';
import { assetRoutes } from './asset-routes.ts';
import { readAssets } from './assets.ts';
import type { DashboardDeps, PageEnv } from './deps.ts';
import { errorPage } from './errors.ts';
import { listRoutes } from './list/list-routes.ts';
import { taskRoutes } from './task/task-routes.ts';

export type { DashboardDeps } from './deps.ts';

/** The pages for people, to be mounted at the root. What isn't theirs they leave to others. */
export function createDashboard(dashboard: DashboardDeps): Hono<PageEnv> {
  const access = createAccess(dashboard);
  const assets = readAssets();
  const inContext = createMiddleware<PageEnv>(async (c, next) => {
    c.set('dashboard', dashboard);
    c.set('access', access);
    c.set('assets', assets);
    await next();
  });
  return new Hono<PageEnv>()
    .onError(errorPage)
    .use(inContext)
    .route('/', listRoutes(dashboard))
    .route('/', taskRoutes())
    .route('/', loginRoutes())
    .route('/', assetRoutes(assets));
}
