import { hash } from 'node:crypto';
import { z } from 'zod';
import {
  type Complete,
  type CompleteItem,
  complete as completeBody,
  completed,
  completedMany,
  completeMany as completeManyBody,
  type ProgressReport,
  progressReport,
  renew as renewBody,
  renewed,
  start as startBody,
} from '../contract/attempt.ts';
import { id } from '../contract/common.ts';
import { task } from '../contract/task.ts';
import type { Result } from '../domain/attempt.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import { AppError, ERROR_CODES } from '../domain/errors.ts';
import type { Holder } from '../domain/holder.ts';
import { STREAMS } from '../domain/machine.ts';
import type { Completed } from '../usecases/attempt/completion.ts';
import { renewAttempt } from '../usecases/attempt/renew-attempt.ts';
import { reportProgress } from '../usecases/attempt/report-progress.ts';
import { startAttempt } from '../usecases/attempt/start-attempt.ts';
import type { Deps } from '../usecases/deps.ts';
import { writeLog } from '../usecases/log/write-log.ts';
import { holderOf } from './auth.ts';
import type { HttpContext } from './env.ts';
import { presentRenewal } from './present.ts';
import { presentTask } from './present-task.ts';
import { asSeen } from './restricted.ts';
import { answers, api, apiRoute, endpoint, takes } from './route.ts';

const tags = ['attempts'];
const attemptInPath = z.object({ attempt_id: id });

const start = endpoint(
  apiRoute('holder', ['lease_lost', 'attempt_finished', 'status_not_allowed'], {
    method: 'post',
    path: '/api/v1/attempts/{attempt_id}/start',
    tags,
    summary: 'Say that the attempt starts',
    description: 'To be asked before the process is made, and said again with its identity. Refused after a cancel.',
    request: { params: attemptInPath, body: takes(startBody) },
    responses: { 200: answers(task, 'The task, running') },
  }),
  async (c) => {
    const { process } = c.req.valid('json');
    const identity = process ? { pid: process.pid, startedAt: process.started_at, bootId: process.boot_id } : null;
    const { attempt_id } = c.req.valid('param');
    const started = await startAttempt(c.get('http').deps, holderOf(c), attempt_id, identity);
    const [task = started] = await asSeen(c, [started]);
    return c.json(presentTask(task), 200);
  },
);

const renew = endpoint(
  apiRoute('holder', ['lease_lost', 'attempt_finished'], {
    method: 'post',
    path: '/api/v1/attempts/{attempt_id}/renew',
    tags,
    summary: 'Renew the lease of an attempt',
    request: { params: attemptInPath, body: takes(renewBody) },
    responses: { 200: answers(renewed, 'How long it lasts now, and whether to stop') },
  }),
  async (c) => {
    const { progress } = c.req.valid('json');
    const { attempt_id } = c.req.valid('param');
    const said = progress ? reportOf(progress) : null;
    return c.json(presentRenewal(await renewAttempt(c.get('http').deps, holderOf(c), attempt_id, said)), 200);
  },
);

const progress = endpoint(
  apiRoute('holder', ['lease_lost', 'attempt_finished'], {
    method: 'post',
    path: '/api/v1/attempts/{attempt_id}/progress',
    tags,
    summary: 'Say how far the attempt has come',
    request: { params: attemptInPath, body: takes(progressReport) },
    responses: { 200: answers(z.object({}), 'It was noted') },
  }),
  async (c) => {
    const said = reportOf(c.req.valid('json'));
    await reportProgress(c.get('http').deps, holderOf(c), c.req.valid('param').attempt_id, said);
    return c.json({}, 200);
  },
);

const reportOf = ({ percent, message }: ProgressReport) => ({ percent: percent ?? null, message: message ?? null });

const complete = endpoint(
  apiRoute('holder', ['lease_lost', 'attempt_finished', 'status_not_allowed'], {
    method: 'post',
    path: '/api/v1/attempts/{attempt_id}/complete',
    tags,
    summary: 'Say how the attempt ended',
    description: 'The same again is answered the same, also for ten minutes with the token of the attempt.',
    request: { params: attemptInPath, body: takes(completeBody) },
    responses: { 200: answers(completed, 'What became of the task') },
  }),
  async (c) => {
    const { attempt_id } = c.req.valid('param');
    const { taskId, taskStatus } = await completeOne(c, attempt_id, c.req.valid('json'));
    return c.json({ attempt_id, task_id: taskId, task_status: taskStatus }, 200);
  },
);

const completeSeveral = endpoint(
  apiRoute('agent', [], {
    method: 'post',
    path: '/api/v1/attempts/complete',
    tags,
    summary: 'Say how several attempts ended',
    description: 'Each is judged alone; `status` and `code` say what the single call would have answered.',
    request: { body: takes(completeManyBody) },
    responses: { 200: answers(completedMany, 'What became of each, in the order given') },
  }),
  async (c) => {
    const { items } = c.req.valid('json');
    const judged = await Promise.allSettled(items.map((item) => completeItem(c, item)));
    return c.json({ items: items.map(({ attempt_id }, index) => itemOf(attempt_id, judged[index])) }, 200);
  },
);

function itemOf(attempt_id: string, judged: PromiseSettledResult<Completed> | undefined) {
  if (judged?.status === 'fulfilled') {
    return { attempt_id, status: 200, code: null, task_status: judged.value.taskStatus };
  }
  const error: unknown = judged?.reason;
  if (!(error instanceof AppError)) throw error;
  return { attempt_id, status: ERROR_CODES[error.code][0], code: error.code, task_status: null };
}

async function completeItem(c: HttpContext, item: CompleteItem): Promise<Completed> {
  if (item.outcome === null) throw new AppError('invalid', 'This is no result that can be taken.');
  const { attempt_id, ...body } = item;
  return completeOne(c, attempt_id, body);
}

async function completeOne(c: HttpContext, attemptId: string, body: Complete): Promise<Completed> {
  const { deps, complete: completeTogether } = c.get('http');
  const holder = holderOf(c);
  await writeTexts(deps, holder, attemptId, body);
  const said = hash('sha256', canonicalJson(body));
  return completeTogether({ holder, attemptId, result: resultOf(body), hash: said });
}

const resultOf = (body: Complete): Result => ({
  outcome: body.outcome,
  exitCode: body.exit_code ?? null,
  signal: body.signal ?? null,
  error: body.error ?? null,
  failureClass: body.failure_class ?? null,
  ownFailure: body.own_failure ?? false,
  leftProcesses: body.left_processes ?? null,
  summary: body.summary ?? null,
  output: body.output ?? null,
  usage: body.usage ?? null,
});

/**
 * The output of callers that don't stream it. Repeating it is harmless; who no longer holds the attempt is told so by
 * the completion itself, which knows whether it is a repeat.
 */
async function writeTexts(deps: Deps, holder: Holder, attemptId: string, body: Complete): Promise<void> {
  for (const stream of STREAMS) {
    const said = body[stream];
    if (said === undefined || !('text' in said)) continue;
    const write = { offset: 0, bytes: Buffer.from(said.text), gap: false, end: true };
    await writeLog(deps, holder, attemptId, stream, write).catch((error: unknown) => {
      const fenced = error instanceof AppError && ['lease_lost', 'attempt_finished', 'not_found'].includes(error.code);
      if (!fenced) throw error;
    });
  }
}

export const attemptsApi = () => api(start, renew, progress, complete, completeSeveral);
