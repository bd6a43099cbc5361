import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Env, Hono } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { AppError } from '../domain/errors.ts';
import { agentSelfApi } from './agent-self.ts';
import { agentsApi } from './agents.ts';
import { attemptsApi } from './attempts.ts';
import { auditApi } from './audit.ts';
import { deliveriesApi } from './deliveries.ts';
import { dequeueApi } from './dequeue.ts';
import { docsPage } from './docs-page.ts';
import type { HttpDeps, HttpEnv } from './env.ts';
import { answerError } from './errors.ts';
import { eventsApi } from './events.ts';
import { explainApi } from './explain.ts';
import { healthApi } from './health.ts';
import { logsApi } from './logs.ts';
import { metricsApi } from './metrics.ts';
import { type OpenApiDocument, openApiDocument } from './openapi.ts';
import { problemResponse } from './problem.ts';
import { requestContext } from './request-context.ts';
import { api } from './route.ts';
import { statisticsApi } from './statistics.ts';
import { taskHistoryApi } from './task-history.ts';
import { taskSteeringApi } from './task-steering.ts';
import { tasksApi } from './tasks.ts';
import { templatesApi } from './templates.ts';
import { tokensApi } from './tokens.ts';
import { webhooksApi } from './webhooks.ts';

/** All of HTTP: the API, its document, and the pages for people, which are mounted at the root. */
export function createApp<E extends Env>(http: HttpDeps, pages: Hono<E> | null = null): OpenAPIHono<HttpEnv> {
  const app = api();
  app.use(requestContext(http));
  mountApi(app);
  const document = describeApi(http.version);
  app.get('/openapi.json', (c) => c.json(document, 200));
  app.route('/', docsPage(document));
  if (pages !== null) app.route('/', pages);
  // The last, for what no route answers.
  app.use(
    methodNotAllowed<HttpEnv>({
      app,
      onMethodNotAllowed: (c, methods) => {
        const error = new AppError('method_not_allowed', `Here ${methods.join(', ')} can be used.`);
        return problemResponse(c, error, { Allow: methods.join(', ') });
      },
    }),
  );
  app.onError(answerError);
  app.notFound((c) => problemResponse(c, new AppError('not_found', 'There is nothing at this address.')));
  return app;
}

function mountApi(app: OpenAPIHono<HttpEnv>): OpenAPIHono<HttpEnv> {
  for (const part of [
    webhooksApi(),
    dequeueApi(),
    tasksApi(),
    taskSteeringApi(),
    taskHistoryApi(),
    explainApi(),
    eventsApi(),
    statisticsApi(),
    metricsApi(),
    attemptsApi(),
    logsApi(),
    agentSelfApi(),
    agentsApi(),
    templatesApi(),
    tokensApi(),
    auditApi(),
    deliveriesApi(),
    healthApi(),
  ]) {
    app.route('/', part);
  }
  return app;
}

/** The document of the API, OpenAPI 3.1, made of the very schemas that validate. */
export const describeApi = (version: string): OpenApiDocument => openApiDocument(mountApi(api()), version);
