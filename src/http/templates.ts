import { type Template, templateList } from '../contract/template.ts';
import { NO_LIMITS } from '../domain/task.ts';
import type { TaskDefaults } from '../usecases/create/task-request.ts';
import { listTemplates } from '../usecases/task/read-templates.ts';
import { presentPage } from './present.ts';
import { presentLimits } from './present-task.ts';
import { answers, api, apiRoute, endpoint, pageAsked, pageOnly } from './route.ts';

type CompiledTemplate = TaskDefaults['templates'][number];

const list = endpoint(
  apiRoute('viewer', [], {
    method: 'get',
    path: '/api/v1/templates',
    tags: ['templates'],
    summary: 'List the templates that tasks can be made of',
    request: { query: pageOnly },
    responses: { 200: answers(templateList, 'A page of templates, by name') },
  }),
  async (c) => {
    const page = listTemplates(c.get('http').templates, pageAsked(c.req.valid('query')));
    return c.json(presentPage(page, presentTemplate), 200);
  },
);

const presentTemplate = ({ definition }: CompiledTemplate): Template => ({
  name: definition.name,
  description: definition.description,
  variables: Object.fromEntries(
    Object.entries(definition.variables).map(([name, variable]) => [
      name,
      { default: variable.default ?? null, description: variable.description ?? null },
    ]),
  ),
  requires: definition.requires,
  limits: presentLimits(definition.settings.limits ?? NO_LIMITS),
});

export const templatesApi = () => api(list);
