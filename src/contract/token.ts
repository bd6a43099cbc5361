import { z } from 'zod';
import { agentName } from './agent.ts';
import { id, label, listOf, text } from './common.ts';

export const scope = z.enum(['admin', 'coordinator', 'agent', 'viewer', 'register']);
export type TokenScope = z.infer<typeof scope>;

const repository = text().regex(
  /^(?:[^\s:/]{1,100}:)?[^\s:/]{1,100}\/[^\s:/]{1,100}$/,
  'must be owner/name or forge:owner/name, * for a whole part',
);
/** What tasks its holder may touch; null: all. */
const restricted = {
  repositories: z
    .array(repository)
    .min(1)
    .max(100)
    .meta({ description: 'Only tasks of these: `forge:owner/name`, `*` for a whole part' }),
  labels: z.array(label).min(1).max(32).meta({ description: 'Only tasks that require one of them' }),
};

export const createToken = z
  .strictObject({
    name: text().min(1).max(100),
    scope,
    expires_in_seconds: z.int().min(1).max(315_360_000).optional(),
    agent_name: agentName.optional(),
    repositories: restricted.repositories.optional(),
    labels: restricted.labels.optional(),
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
    repositories: z.array(z.string()).nullable(),
    labels: z.array(z.string()).nullable(),
  })
  .meta({ id: 'Token' });
export type Token = z.infer<typeof token>;
export const tokenList = listOf(token);
/** The only answer that holds the secret itself. */
export const createdToken = token.extend({ token: z.string() });
export type CreatedToken = z.infer<typeof createdToken>;
