import { explanation, type Explanation as WireExplanation, type Reason as WireReason } from '../contract/explain.ts';
import { notFound } from '../domain/errors.ts';
import type { Reason } from '../domain/explain.ts';
import { type Explained, explainTask } from '../usecases/task/explain-task.ts';
import { requireReadable } from './auth.ts';
import { restrictionOf } from './restricted.ts';
import { answers, api, apiRoute, endpoint, idInPath } from './route.ts';

const explain = endpoint(
  apiRoute('reader', [], {
    method: 'get',
    path: '/api/v1/tasks/{id}/explain',
    tags: ['tasks'],
    summary: 'Why a task is not taken, agent by agent',
    description:
      'An agent is takeable exactly if its next dequeue, or for a host the next pass of dispatch, would take the task ' +
      'if it were first in order. An agent that pulls and is `offline` is not; asking makes it online.',
    request: { params: idInPath },
    responses: { 200: answers(explanation, 'What keeps it, and the smallest change that would let it run') },
  }),
  async (c) => {
    const { id } = c.req.valid('param');
    await requireReadable(c, id, 'task');
    const principal = c.get('principal');
    const reader = principal.kind === 'token' ? null : principal.agentId;
    const hidesOthers = reader !== null || restrictionOf(c) !== null;
    const explained = await explainTask(c.get('http').deps, id, reader, hidesOthers);
    if (explained === null) throw notFound('task');
    return c.json(presentExplained(explained), 200);
  },
);

const presentExplained = (explained: Explained): WireExplanation => ({
  task_id: explained.taskId,
  status: explained.status,
  takeable: explained.takeable,
  reasons: explained.reasons.map(presentReason),
  agents: explained.agents.map((agent) => ({
    agent_id: agent.agentId,
    name: agent.name,
    execution_mode: agent.executionMode,
    takeable: agent.takeable,
    reasons: agent.reasons.map(presentReason),
    smallest_change: agent.smallestChange,
  })),
  agents_total: explained.agentsTotal,
  ahead: explained.ahead,
  smallest_change: explained.smallestChange,
});

const presentReason = ({ code, message, missing, until, taskIds }: Reason): WireReason => ({
  code,
  message,
  ...(missing === undefined ? {} : { missing: [...missing] }),
  ...(until === undefined ? {} : { until }),
  ...(taskIds === undefined ? {} : { task_ids: [...taskIds] }),
});

export const explainApi = () => api(explain);
