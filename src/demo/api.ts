import { type Agent, agentList } from '../contract/agent.ts';
import { type Attempt, attemptList } from '../contract/attempt.ts';
import { type Delivery, delivery, deliveryList } from '../contract/delivery.ts';
import { type Event, eventList } from '../contract/event.ts';
import { problem } from '../contract/problem.ts';
import { type Task, task, taskList } from '../contract/task.ts';
import { type CreatedToken, createdToken, type TokenScope } from '../contract/token.ts';
import { DemoError } from './errors.ts';

/** What can be read of a log stream, with what the server says of it. */
export type Log = { text: string; bytes: number; leftOut: number; complete: boolean };

/** The server's API, as far as the story asks it. Every answer is checked against the contract. */
export type Api = {
  url: string;
  task(id: string): Promise<Task>;
  /** Oldest first. */
  tasks(): Promise<Task[]>;
  events(taskId: string): Promise<Event[]>;
  attempts(taskId: string): Promise<Attempt[]>;
  agents(): Promise<Agent[]>;
  delivery(id: string): Promise<Delivery>;
  deliveries(): Promise<Delivery[]>;
  assign(taskId: string, agentId: string): Promise<Task>;
  log(attemptId: string): Promise<Log>;
  createToken(name: string, scope: TokenScope): Promise<CreatedToken>;
  /** The stream of what an attempt prints to standard output, from an offset on. */
  follow(attemptId: string, offset: number, signal: AbortSignal): Promise<Response>;
};

type Schema<T> = { parse(value: unknown): T };

const ANSWER_WITHIN_MS = 15_000;
const PAGE = '?limit=200';

export function createApi(url: string, token: string): Api {
  const request = (method: string, path: string, body?: object, signal = AbortSignal.timeout(ANSWER_WITHIN_MS)) =>
    ask(`${url}${path}`, {
      method,
      signal,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
  const get = async <T>(path: string, schema: Schema<T>): Promise<T> =>
    schema.parse(await (await request('GET', `/api/v1${path}`)).json());
  const post = async <T>(path: string, body: object, schema: Schema<T>): Promise<T> =>
    schema.parse(await (await request('POST', `/api/v1${path}`, body)).json());
  return {
    url,
    task: (id) => get(`/tasks/${id}`, task),
    tasks: async () => (await get(`/tasks${PAGE}`, taskList)).items.reverse(),
    events: async (id) => (await get(`/tasks/${id}/events${PAGE}`, eventList)).items,
    attempts: async (id) => (await get(`/tasks/${id}/attempts${PAGE}`, attemptList)).items,
    agents: async () => (await get(`/agents${PAGE}`, agentList)).items,
    delivery: (id) => get(`/deliveries/${id}`, delivery),
    deliveries: async () => (await get(`/deliveries${PAGE}`, deliveryList)).items,
    assign: (id, agentId) => post(`/tasks/${id}/assign`, { agent_id: agentId }, task),
    log: async (attemptId) => readLog(await request('GET', `/api/v1/attempts/${attemptId}/log/stdout`)),
    createToken: (name, scope) => post('/tokens', { name, scope, expires_in_seconds: 86_400 }, createdToken),
    follow: (attemptId, offset, signal) =>
      request('GET', `/api/v1/attempts/${attemptId}/log/stdout?follow=1&offset=${offset}`, undefined, signal),
  };
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init).catch((error: Error & { cause?: Error }) => {
    if (error.name === 'AbortError') throw error;
    const why = error.name === 'TimeoutError' ? 'nothing came' : (error.cause?.message ?? error.message);
    throw new DemoError(`the server did not answer ${init.method} ${new URL(url).pathname}: ${why}`);
  });
  if (response.ok) return response;
  const said = problem.safeParse(await response.json().catch(() => null));
  const why = said.success ? `${said.data.code}: ${said.data.detail}` : 'without a word why';
  throw new DemoError(`the server answered ${init.method} ${new URL(url).pathname} with ${response.status}, ${why}`);
}

async function readLog(response: Response): Promise<Log> {
  const said = (name: string) => response.headers.get(`Taskejo-Log-${name}`);
  return {
    text: await response.text(),
    bytes: Number(said('Bytes')),
    leftOut: Number(said('Left-Out')),
    complete: said('Complete') === 'true',
  };
}
