import { heartbeatAnswer, heartbeat as heartbeatBody } from '../contract/agent.ts';
import { leave } from '../usecases/agents/leave.ts';
import { heartbeat } from '../usecases/attempt/heartbeat.ts';
import { agentOf } from './auth.ts';
import { answers, api, apiRoute, endpoint, takes } from './route.ts';

const tags = ['agents'];

const beat = endpoint(
  apiRoute('agent', [], {
    method: 'post',
    path: '/api/v1/agents/me/heartbeat',
    tags,
    summary: 'Renew all that the agent holds',
    description: 'To be sent every `heartbeat_seconds`. The answer says what to stop and what is lost.',
    request: { body: takes(heartbeatBody) },
    responses: { 200: answers(heartbeatAnswer, 'What became of the attempts') },
  }),
  async (c) => {
    const { attempt_ids, draining, metrics, generation_seen: generationSeen = 0 } = c.req.valid('json');
    const said = { attemptIds: attempt_ids, draining: draining ?? null, metrics: metrics ?? null };
    const { deps, log } = c.get('http');
    const agentId = agentOf(c);
    const answer = await heartbeat(deps, agentId, said);
    if (generationSeen > answer.generation) {
      const about = { agentId, generation: answer.generation, generationSeen };
      // An agent may be wrong, or lie, so nothing stops because of it.
      log.error(about, 'an agent has seen a later generation of this database: it may be older than the world');
    }
    return c.json(
      {
        agent_id: agentId,
        renewed: answer.renewed.map((one) => ({ attempt_id: one.attemptId, lease_expires_at: one.leaseExpiresAt })),
        cancel: answer.cancel.map((one) => ({ attempt_id: one.attemptId, reason: one.reason })),
        lost: answer.lost,
        followed: answer.followed,
        draining: answer.draining,
        generation: answer.generation,
      },
      200,
    );
  },
);

const leaveNow = endpoint(
  apiRoute('agent', [], {
    method: 'delete',
    path: '/api/v1/agents/me',
    tags,
    summary: 'Leave',
    description: 'What the agent works on ends as lost at once, and its credential ends.',
    responses: { 204: { description: 'It is gone' } },
  }),
  async (c) => {
    await leave(c.get('http').deps, agentOf(c));
    return c.body(null, 204);
  },
);

export const agentSelfApi = () => api(beat, leaveNow);
