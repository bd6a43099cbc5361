import { z } from 'zod';
import {
  agent,
  agentList,
  patchAgent as patchBody,
  type Register,
  register as registerBody,
  registered,
} from '../contract/agent.ts';
import { agentId } from '../contract/common.ts';
import { notFound } from '../domain/errors.ts';
import type { AgentPolicy } from '../domain/may-run.ts';
import { deleteAgent } from '../usecases/agents/delete-agent.ts';
import { patchAgent } from '../usecases/agents/patch-agent.ts';
import { getAgent, listAgents } from '../usecases/agents/read-agents.ts';
import { type Registration, registerAgent } from '../usecases/agents/register-agent.ts';
import { auditActorOf } from './auth.ts';
import { presentAgent, presentPage } from './present.ts';
import { restrictionOf } from './restricted.ts';
import { answers, api, apiRoute, endpoint, pageAsked, pageOnly, takes } from './route.ts';

const tags = ['agents'];
const agentInPath = z.object({ id: agentId });

const proofHeader = z.object({
  'taskejo-proof': z.string().optional().meta({ description: 'Signed by the key that the server knows, for the name' }),
});

const register = endpoint(
  apiRoute('registrar', ['name_taken'], {
    method: 'post',
    path: '/api/v1/agents/register',
    tags,
    summary: 'Register an agent that pulls',
    description:
      'An agent that has told its `public_key` may register again under its name: with a token that it signed for its ' +
      'name in the header `Taskejo-Proof` it is the same agent, as it says now. Its former token lives ten minutes more.',
    request: { headers: proofHeader, body: takes(registerBody) },
    responses: {
      200: answers(registered, 'The same agent, and a new token'),
      201: answers(registered, 'The agent and its token, which is shown only here'),
    },
  }),
  async (c) => {
    const { deps, signIn } = c.get('http');
    const proof = signIn.readProof(c.req.header('taskejo-proof') ?? '');
    const registration = { ...registrationOf(c.req.valid('json')), restriction: restrictionOf(c) };
    const made = await registerAgent(deps, registration, { by: auditActorOf(c), proof });
    const heartbeatSeconds = deps.settings.leases.renewSeconds;
    const answer = { agent_id: made.agentId, token: made.token, heartbeat_seconds: heartbeatSeconds };
    return c.json(answer, made.isNew ? 201 : 200);
  },
);

const registrationOf = (body: Register): Omit<Registration, 'restriction'> => ({
  name: body.name,
  labels: body.labels ?? [],
  capacity: body.capacity ?? null,
  version: body.version ?? null,
  publicKey: body.public_key ?? null,
  limits: body.limits ?? null,
  sandboxes: body.sandboxes ?? null,
  policy: policyOf(body.policy),
});

const policyOf = (policy: Register['policy']): AgentPolicy | null =>
  policy ? { allowedCommands: policy.allowed_commands, deniedPatterns: policy.denied_patterns } : null;

const list = endpoint(
  apiRoute('viewer', [], {
    method: 'get',
    path: '/api/v1/agents',
    tags,
    summary: 'List agents: those that pull, and hosts',
    request: { query: pageOnly },
    responses: { 200: answers(agentList, 'A page of agents, by name') },
  }),
  async (c) => {
    const page = await listAgents(c.get('http').deps, pageAsked(c.req.valid('query')));
    return c.json(presentPage(page, presentAgent), 200);
  },
);

const show = endpoint(
  apiRoute('viewer', [], {
    method: 'get',
    path: '/api/v1/agents/{id}',
    tags,
    summary: 'Show an agent',
    request: { params: agentInPath },
    responses: { 200: answers(agent, 'The agent') },
  }),
  async (c) => {
    const found = await getAgent(c.get('http').deps, c.req.valid('param').id);
    if (found === null) throw notFound('agent');
    return c.json(presentAgent(found), 200);
  },
);

const patch = endpoint(
  apiRoute('coordinator', ['configured_in_file'], {
    method: 'patch',
    path: '/api/v1/agents/{id}',
    tags,
    summary: 'Change, cordon or drain an agent',
    request: { params: agentInPath, body: takes(patchBody) },
    responses: { 200: answers(agent, 'The agent as it is now') },
  }),
  async (c) => {
    const { cordon_reason: cordonReason, allowed_networks: allowedNetworks, ...rest } = c.req.valid('json');
    const { id } = c.req.valid('param');
    const change = { ...rest, cordonReason, allowedNetworks };
    return c.json(presentAgent(await patchAgent(c.get('http').deps, id, change, auditActorOf(c))), 200);
  },
);

const remove = endpoint(
  apiRoute('coordinator', ['configured_in_file'], {
    method: 'delete',
    path: '/api/v1/agents/{id}',
    tags,
    summary: 'Delete an agent that pulls',
    description: 'Its credential ends at once and its name is free; what it works on lives on its leases.',
    request: { params: agentInPath },
    responses: { 204: { description: 'It is gone' } },
  }),
  async (c) => {
    await deleteAgent(c.get('http').deps, c.req.valid('param').id, auditActorOf(c));
    return c.body(null, 204);
  },
);

export const agentsApi = () => api(register, list, show, patch, remove);
