import { z } from 'zod';
import { agentName } from './agent.ts';
import { id, listOf, text } from './common.ts';

export const scope = z.enum(['admin', 'coordinator', 'agent', 'viewer', 'register']);
export type TokenScope = z.infer<typeof scope>;

export const createToken = z
  .strictObject({
    name: text().min(1).max(100),
    scope,
    expires_in_seconds: z.int().min(1).max(315_360_000).optional(),
    agent_name: agentName.optional(),
  })
  .refine((body) => (body.scope === 'agent') === (body.agent_name !== undefined), {
    path: ['agent_name'],
    message: 'names the agent that a token of scope agent is for, and belongs to that scope only',
  });
export type CreateToken = z.infer<typeof createToken>;

export const token = z
  .object({
    id,
    name: z.string(),
    scope,
    agent_id: z.string().nullable(),
    expires_at: z.string().nullable(),
    created_at: z.string(),
    last_used_at: z.string().nullable(),
  })
  .meta({ id: 'Token' });
export type Token = z.infer<typeof token>;
export const tokenList = listOf(token);
/** The only answer that holds the secret itself. */
export const createdToken = token.extend({ token: z.string() });
export type CreatedToken = z.infer<typeof createdToken>;
