import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  type Complete,
  complete as completeBody,
  completed,
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
import { AppError } from '../domain/errors.ts';
import type { Holder } from '../domain/holder.ts';
import { STREAMS } from '../domain/machine.ts';
import { completeAttempt } from '../usecases/complete-attempt.ts';
import type { Deps } from '../usecases/deps.ts';
import { renewAttempt } from '../usecases/renew-attempt.ts';
import { reportProgress } from '../usecases/report-progress.ts';
import { startAttempt } from '../usecases/start-attempt.ts';
import { writeLog } from '../usecases/write-log.ts';
import { holderOf } from './auth.ts';
import { presentRenewal } from './present.ts';
import { presentTask } from './present-task.ts';
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
    return c.json(presentTask(await startAttempt(c.get('http').deps, holderOf(c), attempt_id, identity)), 200);
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
    const { deps } = c.get('http');
    const { attempt_id } = c.req.valid('param');
    const body = c.req.valid('json');
    const holder = holderOf(c);
    await writeTexts(deps, holder, attempt_id, body);
    const said = { hash: createHash('sha256').update(canonicalJson(body)).digest('hex') };
    const { taskId, taskStatus } = await completeAttempt(deps, holder, attempt_id, resultOf(body), said);
    return c.json({ attempt_id, task_id: taskId, task_status: taskStatus }, 200);
  },
);

const resultOf = (body: Complete): Result => ({
  outcome: body.outcome,
  exitCode: body.exit_code ?? null,
  signal: body.signal ?? null,
  error: body.error ?? null,
  failureClass: body.failure_class ?? null,
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

export const attemptsApi = () => api(start, renew, progress, complete);
