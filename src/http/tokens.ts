import { type CreateToken, createToken as createBody, createdToken, tokenList } from '../contract/token.ts';
import { createToken, type TokenRequest } from '../usecases/access/create-token.ts';
import { listTokens } from '../usecases/access/read-tokens.ts';
import { revokeToken } from '../usecases/access/revoke-token.ts';
import { auditActorOf } from './auth.ts';
import { presentPage, presentToken } from './present.ts';
import { answers, api, apiRoute, endpoint, idInPath, pageAsked, pageOnly, takes } from './route.ts';

const tags = ['tokens'];

const create = endpoint(
  apiRoute('admin', ['name_taken'], {
    method: 'post',
    path: '/api/v1/tokens',
    tags,
    summary: 'Make a token',
    description: 'One of scope `agent` is for the agent of `agent_name`, which it makes.',
    request: { body: takes(createBody) },
    responses: { 201: answers(createdToken, 'The token; its text is shown only here') },
  }),
  async (c) => {
    const { token, secret } = await createToken(c.get('http').deps, tokenRequest(c.req.valid('json')), auditActorOf(c));
    return c.json({ ...presentToken(token), token: secret }, 201);
  },
);

function tokenRequest(body: CreateToken): TokenRequest {
  const { name, scope, expires_in_seconds, agent_name, repositories = null, labels = null } = body;
  const restriction = repositories === null && labels === null ? null : { repositories, labels };
  const common = { name, expiresInSeconds: expires_in_seconds ?? null, restriction };
  return scope === 'agent' ? { ...common, scope, agentName: agent_name ?? name } : { ...common, scope };
}

const list = endpoint(
  apiRoute('admin', [], {
    method: 'get',
    path: '/api/v1/tokens',
    tags,
    summary: 'List the tokens that are not revoked',
    request: { query: pageOnly },
    responses: { 200: answers(tokenList, 'A page of tokens, newest first') },
  }),
  async (c) => {
    const page = await listTokens(c.get('http').deps, pageAsked(c.req.valid('query')));
    return c.json(presentPage(page, presentToken), 200);
  },
);

const revoke = endpoint(
  apiRoute('admin', [], {
    method: 'delete',
    path: '/api/v1/tokens/{id}',
    tags,
    summary: 'Revoke a token',
    request: { params: idInPath },
    responses: { 204: { description: 'It is refused from now on' } },
  }),
  async (c) => {
    await revokeToken(c.get('http').deps, c.req.valid('param').id, auditActorOf(c));
    return c.body(null, 204);
  },
);

export const tokensApi = () => api(create, list, revoke);
