import { describe, expect, it } from 'vitest';
import { sentence } from '../../../src/dashboard/task/sentences.ts';
import { EVENT_TYPES } from '../../../src/domain/event.ts';

type Event = Parameters<typeof sentence>[0];
type About = Parameters<typeof sentence>[1];

const about = (source: unknown = null, createdBy = { kind: 'coordinator', id: 't1', name: 'alice' }) =>
  ({
    task: { createdBy, source },
    names: new Map([
      ['a1', 'laptop'],
      ['t2', 'carol'],
    ]),
    attempts: [{ id: 'at2', number: 2, agentId: 'a1' }],
  }) as unknown as About;

const event = (type: string, more: Partial<Event> = {}): Event => ({
  type: type as Event['type'],
  actor: { kind: 'server', id: 'server' },
  attemptId: 'at2',
  toStatus: null,
  data: {},
  ...more,
});

const told = (one: Event, of = about()) => String(sentence(one, of)).replaceAll(/<\/?bdi>/g, '');
const alice: Event['actor'] = { kind: 'coordinator', id: 't1' };
const carol: Event['actor'] = { kind: 'coordinator', id: 't2' };

describe('the history of a task', () => {
  it.each<[string, Event]>([
    [
      'Left to the agents that ask: no host',
      event('mode_decided', { data: { execution_mode: 'http_pull', reason: 'no host' } }),
    ],
    ['Undecided again', event('mode_decided', { data: { execution_mode: 'undecided' } })],
    ['Assigned to laptop by carol', event('agent_named', { actor: carol, data: { agent_id: 'a1' } })],
    ['No longer assigned to laptop: deleted', event('agent_unnamed', { data: { agent_id: 'a1', reason: 'deleted' } })],
    ['Dispatched to gpu-1, attempt 2', event('assigned', { data: { agent_id: 'gpu-1', execution_mode: 'ssh_cli' } })],
    ['laptop took it, attempt 2', event('assigned', { data: { agent_id: 'a1', execution_mode: 'http_pull' } })],
    ['Started on laptop', event('started')],
    ['Found again on laptop, where it went on', event('reattached')],
    [
      'alice asked to cancel it: not needed',
      event('cancel_requested', { actor: alice, data: { reason: 'not needed' } }),
    ],
    ['alice asked to cancel it: timeout', event('cancel_requested', { actor: alice, data: { reason: 'timeout' } })],
    [
      'Asked to make room for a task of priority 8',
      event('cancel_requested', { data: { reason: 'preempted', for_priority: 8 } }),
    ],
    ['alice asked to cancel it: preempted', event('cancel_requested', { actor: alice, data: { reason: 'preempted' } })],
    [
      'Found no place: a less urgent task on laptop is asked to make room',
      event('changed', { attemptId: null, data: { preempts_task_id: 'x', agent_id: 'a1' } }),
    ],
    [
      'Changed by carol: priority 3 → 8, run after none → 2099, requires a b → none',
      event('changed', {
        actor: carol,
        data: {
          priority: { from: 3, to: 8 },
          run_after: { from: null, to: '2099' },
          requires: { from: ['a', 'b'], to: [] },
        },
      }),
    ],
    ['Changed by carol', event('changed', { actor: carol, data: { priority: 8 } })],
    ['Approved by carol', event('approved', { actor: carol, data: { version: 2 } })],
    ['To be tried again, said alice', event('retried', { actor: alice })],
    ['Asked to stop: its time is over', event('cancel_requested', { data: { reason: 'timeout' } })],
    [
      'Lost on laptop: went silent. Pending again',
      event('lease_lost', { toStatus: 'pending', data: { error: 'went silent' } }),
    ],
    ['Handed back by laptop before it was started. Pending again', event('released', { toStatus: 'pending' })],
    [
      'laptop reported completed when it was too late; nothing was changed',
      event('late_result', { data: { outcome: 'completed' } }),
    ],
    ['Completed, exit code 0', event('completed', { data: { exit_code: 0 } })],
    ['Completed', event('completed')],
    ['Failed: exit code 2', event('failed', { toStatus: 'failed', data: { exit_code: 2, outcome: 'failed' } })],
    ['Failed: no make. Pending again', event('failed', { toStatus: 'pending', data: { error: 'no make' } })],
    ['Lost: rebooted', event('failed', { toStatus: 'failed', data: { outcome: 'lost', error: 'rebooted' } })],
    ['Cancelled by carol', event('cancelled', { actor: carol, attemptId: null })],
    ['Cancelled on laptop', event('cancelled')],
    ['Stopped on laptop for a task of higher priority. Pending again', event('preempted')],
    [
      'Stopped on laptop for a task of higher priority, after it had run for 70 s. Pending again',
      event('preempted', { data: { seconds_lost: 70 } }),
    ],
    ['Pull request opened', event('pull_request_opened')],
    ['Something of tomorrow', event('something_of_tomorrow')],
  ])('tells: %s', (text, one) => {
    expect(told(one)).toBe(text);
  });

  it.each([
    ['Created by alice', null],
    ['Created from a comment of bob', { event: 'issue_comment' }],
    ['Created by a label that bob set', { event: 'issue_label' }],
    ['Created by bob (release)', { event: 'release' }],
  ])('begins: %s', (text, source) => {
    const kind = source === null ? 'coordinator' : 'forge';
    const createdBy = { kind, id: 't1', name: source === null ? 'alice' : 'bob' };
    expect(told(event('created', { actor: { kind, id: 'x' }, attemptId: null }), about(source, createdBy))).toBe(text);
  });

  it('has a sentence for every type of event', () => {
    for (const type of EVENT_TYPES) expect(told(event(type))).toMatch(/^[A-Za-z]\S+/);
  });

  it('lets nobody in the world write markup', () => {
    const hostile = '<img src=x onerror=alert(1)>';
    const one = event('cancel_requested', { actor: { kind: 'coordinator', id: hostile }, data: { reason: hostile } });
    expect(String(sentence(one, about()))).not.toContain('<img');
  });
});
