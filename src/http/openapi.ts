import type { OpenAPIHono } from '@hono/zod-openapi';
import type { HttpEnv } from './env.ts';

export type OpenApiDocument = ReturnType<OpenAPIHono<HttpEnv>['getOpenAPI31Document']>;

const DESCRIPTION = `Times are RFC 3339 in UTC. Ids are UUIDs, except that an agent's may be any text.

Every answer that is no success is a problem (RFC 9457) with a stable \`code\`. Fields and parameters that are not known
are refused. Fields may be added to answers; \`null\` is written out.

Lists answer \`items\` and \`next_cursor\`, which is \`null\` on the last page and else the \`cursor\` of the next.`;

const TAGS = [
  { name: 'tasks', description: 'Work that someone wants done' },
  { name: 'attempts', description: 'Tries at a task, each leased to one agent' },
  { name: 'agents', description: 'Who does tasks: programs that pull, and hosts' },
  { name: 'templates', description: 'Recipes that tasks are made from' },
  { name: 'deliveries', description: 'What forges sent' },
  { name: 'tokens', description: 'Credentials' },
  { name: 'audit', description: 'Acts that belong to no task' },
  { name: 'health', description: 'Whether the server is well' },
];

export function openApiDocument(app: OpenAPIHono<HttpEnv>, version: string): OpenApiDocument {
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of one of the scopes, or the token of an attempt.',
  });
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Taskejo', version, description: DESCRIPTION, license: { name: 'MIT' } },
    tags: TAGS,
  });
}
