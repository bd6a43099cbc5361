import { z } from 'zod';
import { linearPattern } from '../domain/linear-pattern.ts';
import { isPublicKey } from '../domain/signed-token.ts';
import { AGENT_MODES } from '../domain/task.ts';
import { id, json, labels, listOf, text } from './common.ts';

const capacity = z.int().min(1).max(1000);
export const agentName = text()
  .min(1)
  .max(100)
  .regex(/^[^\s/]+$/, 'must have no white space and no slash');

const amount = z.number().min(0).nullable().optional();
/** How an agent's machine does, as far as it can tell. */
export const machineMetrics = z
  .strictObject({
    cpu_percent: amount.describe('Of all its processors together'),
    memory_used_bytes: amount,
    memory_total_bytes: amount,
    disk_free_bytes: amount.describe('Where its commands work'),
    disk_total_bytes: amount,
    load_1m: amount,
    gpus: z
      .array(
        z.strictObject({
          index: z.int().min(0),
          name: text().max(200),
          utilization_percent: amount,
          memory_used_bytes: amount,
          memory_total_bytes: amount,
          temperature_celsius: z.number().nullable().optional(),
        }),
      )
      .max(64)
      .optional(),
    custom: z.record(text().min(1).max(100), z.number()).optional().meta({ description: 'Figures of its own' }),
  })
  .meta({ id: 'MachineMetrics' });
export type MachineMetrics = z.infer<typeof machineMetrics>;

export const agent = z
  .object({
    id: z.string(),
    name: z.string(),
    execution_mode: z.enum(AGENT_MODES),
    state: z.enum(['online', 'offline', 'cordoned']),
    online: z.boolean(),
    state_reason: z.object({ code: z.string(), message: z.string(), since: z.string() }).nullable(),
    cordon_reason: z.string().nullable(),
    draining: z.boolean(),
    allowed_networks: z.array(z.string()),
    labels: z.array(z.string()),
    capacity: z.int(),
    running: z.int(),
    last_seen_at: z.string().nullable(),
    version: z.string().nullable(),
    metrics: z.record(z.string(), json()).nullable(),
    created_at: z.string(),
  })
  .meta({ id: 'Agent' });
export type Agent = z.infer<typeof agent>;
export const agentList = listOf(agent);

const ability = text().min(1).max(100);
/** What an agent refuses to run: an expression over program and arguments, joined by spaces. */
export const deniedPattern = text()
  .min(1)
  .max(1000)
  .refine((said) => linearPattern(said) !== null, 'is no expression that can be matched in linear time');

export const register = z.strictObject({
  name: agentName,
  labels: labels.optional(),
  capacity: capacity.optional(),
  version: text().max(100).optional(),
  public_key: z
    .string()
    .refine(isPublicKey, 'must be an Ed25519 public key: base64url of its 32 bytes')
    .optional()
    .meta({ description: 'Ed25519, base64url of its 32 bytes: it may sign its own tokens, and register again by it' }),
  limits: z.array(ability).max(32).optional().meta({ description: 'Names of the limits that its machine can keep' }),
  sandboxes: z.array(ability).max(8).optional().meta({ description: 'The sandboxes that its machine has' }),
  policy: z
    .strictObject({
      allowed_commands: z.array(text().min(1).max(4096)).max(1000).default([]),
      denied_patterns: z.array(deniedPattern).max(100).default([]),
    })
    .optional()
    .meta({ description: 'What it refuses to run, so that it is not given it' }),
});
export type Register = z.infer<typeof register>;
export const registered = z.object({ agent_id: z.string(), token: z.string(), heartbeat_seconds: z.number() });
export type Registered = z.infer<typeof registered>;

const network = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], 'must be an address or a network, as 10.0.0.0/8');

export const patchAgent = z.strictObject({
  labels: labels.optional(),
  capacity: capacity.optional(),
  cordoned: z.boolean().optional(),
  cordon_reason: text().max(1000).nullable().optional(),
  draining: z.boolean().optional(),
  allowed_networks: z
    .array(network)
    .max(100)
    .optional()
    .meta({ description: 'From where it, and its commands, may call, as 10.0.0.0/8; an empty list: from anywhere' }),
});

export const heartbeat = z.strictObject({
  attempt_ids: z.array(id).max(1000),
  draining: z.enum(['drain', 'store_full']).nullable().optional(),
  metrics: machineMetrics.optional(),
  generation_seen: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'The highest `generation` that it was ever told: a higher one than ours is an alarm' }),
});
export const heartbeatAnswer = z.object({
  agent_id: z.string().meta({ description: 'Whose beat it was' }),
  renewed: z.array(z.object({ attempt_id: id, lease_expires_at: z.string() })),
  cancel: z.array(z.object({ attempt_id: id, reason: z.string() })),
  lost: z.array(id),
  followed: z.array(id),
  draining: z.boolean(),
  generation: z.int(),
});
