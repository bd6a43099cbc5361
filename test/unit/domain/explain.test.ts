import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGENT_REASONS, type KeptFrom, TASK_REASONS } from '../../../src/domain/explain/facts.ts';
import {
  explainNotPending,
  explainPending,
  type GateFacts,
  type Surroundings,
  type Taker,
  type Waiting,
  waitingReasons,
} from '../../../src/domain/explain.ts';
import { NO_LIMITS } from '../../../src/domain/task.ts';
import { taker, waiting } from '../../support/explained.ts';

const OPEN: GateFacts = { unmet: [], keyHolder: null };
const at = '2026-11-21T13:00:00.000000Z';
const kept: KeptFrom = new Map([['a1', at]]);
const explain = (task: Waiting, takers: Taker[], more: Partial<Surroundings> = {}, reader: string | null = null) =>
  explainPending(task, { takers, kept: new Map(), gates: OPEN, spared: new Set(), ...more }, reader);
const unready = (changes: Parameters<typeof waiting>[0] = {}) => waiting({ ready: false, ...changes });

it.each([
  ['it is not due', unready({ dueAt: at }), [taker()], 'run_after'],
  ['it was due a moment ago', unready(), [taker()], 'run_after'],
  ['it depends on others', unready({ unmetDependencies: 2 }), [taker()], 'dependencies'],
  ['a person must approve it', unready({ requiresApproval: true }), [taker()], 'approval'],
  ['another holds its key', unready({ concurrencyKey: 'k' }), [taker()], 'concurrency'],
  ['there is nobody', waiting(), [], 'no_agents'],
  ['there is nobody of its mode', waiting({ executionMode: 'ssh_cli' }), [taker()], 'no_agents'],
  ['nobody has its labels', waiting({ requires: ['y'] }), [taker()], 'labels_nobody_has'],
  ['all places are taken', waiting(), [taker({ running: 1 }), taker({ online: false })], 'all_busy'],
  ['who could is offline', waiting(), [taker({ online: false })], 'offline'],
  ['who could is cordoned', waiting(), [taker({ cordoned: true })], 'cordoned'],
  ['who could is draining', waiting(), [taker({ draining: true })], 'draining'],
  ['its agent is gone', waiting({ namedAgentId: 'gone' }), [taker()], 'agent_removed'],
  ['its agent is busy', waiting({ namedAgentId: 'a1', requires: ['y'] }), [taker({ running: 1 })], 'all_busy'],
  ['nothing keeps it', waiting(), [taker()], null],
  ['it is not pending', waiting({ status: 'running' }), [], null],
])('a task says why it waits: %s', (_, task, takers, reason) => {
  expect(waitingReasons(takers)(task)).toBe(reason);
});

describe('an agent is not takeable for a task', () => {
  it.each([
    ['that is assigned to another', waiting({ namedAgentId: 'a2' }), taker(), ['other_agent_named']],
    ['of the other mode', waiting({ executionMode: 'ssh_cli' }), taker(), ['mode']],
    ['whose labels it lacks', waiting({ requires: ['x', 'y'] }), taker(), ['labels_missing']],
    ['while it is cordoned', waiting(), taker({ cordoned: true }), ['cordoned']],
    ['while it drains', waiting(), taker({ draining: true }), ['draining']],
    ['while it is offline', waiting(), taker({ online: false }), ['offline']],
    ['that is to be asked first', waiting(), taker({ executionMode: 'ssh_cli', toAsk: true }), ['unsettled']],
    [
      'whose command it does not allow',
      waiting(),
      taker({ policy: { allowedCommands: ['claude'], deniedPatterns: [] } }),
      ['policy'],
    ],
    [
      'whose limit its machine cannot keep',
      waiting({ limits: { ...NO_LIMITS, memoryBytes: 1 } }),
      taker({ limits: ['cpu_percent'] }),
      ['limits_unavailable'],
    ],
    ['whose sandbox it has not', waiting({ sandbox: 'container' }), taker({ sandboxes: [] }), ['limits_unavailable']],
    ['while its places are taken', waiting(), taker({ running: 1 }), ['no_capacity']],
    [
      'for several reasons at once',
      waiting({ requires: ['y'] }),
      taker({ running: 2, online: false }),
      ['labels_missing', 'offline', 'no_capacity'],
    ],
  ])('%s', (_, task, agent, codes) => {
    const { takeable, agents } = explain(task, [agent]);
    expect(agents[0]?.reasons.map(({ code }) => code)).toEqual(codes);
    expect([takeable, agents[0]?.takeable]).toEqual([false, false]);
    expect(agents[0]?.smallestChange).toEqual(expect.stringMatching(/\S/));
  });

  it('whose places are taken by what has made room often enough', () => {
    const spared = new Set(['a1']);
    expect(explain(waiting(), [taker({ running: 1 })], { spared }).agents[0]).toMatchObject({
      reasons: [{ code: 'no_capacity' }, { code: 'preemption_limit' }],
      smallestChange: 'wait until a place of nuc is free, or raise its capacity',
    });
    expect(explain(waiting(), [taker()], { spared }).takeable).toBe(true);
  });

  it('that failed there a moment ago, unless it is named', () => {
    const { agents } = explain(waiting(), [taker()], { kept });
    expect(agents[0]).toMatchObject({ takeable: false, reasons: [{ code: 'recently_failed_here', until: at }] });
    expect(explain(waiting({ namedAgentId: 'a1' }), [taker()], { kept }).takeable).toBe(true);
  });
});

it('a name stands in place of the labels', () => {
  expect(explain(waiting({ namedAgentId: 'a1', requires: ['y'] }), [taker()])).toMatchObject({
    takeable: true,
    reasons: [],
    agents: [{ agentId: 'a1', takeable: true, reasons: [], smallestChange: null }],
    smallestChange: null,
  });
});

it('an agent that said nothing of its machine is not refused for what it may have', () => {
  const task = waiting({ sandbox: 'container', limits: { ...NO_LIMITS, processes: 5 } });
  expect(explain(task, [taker()]).takeable).toBe(true);
  expect(explain(task, [taker({ limits: ['processes'], sandboxes: ['container'] })]).takeable).toBe(true);
});

describe('the smallest change', () => {
  const change = (task: Waiting, agent: Taker, more: Partial<Surroundings> = {}) =>
    explain(task, [agent], more).smallestChange;
  it.each([
    ['labels', waiting({ requires: ['y'] }), taker(), 'give nuc the label y, or assign the task to it'],
    [
      'labels of a host',
      waiting({ requires: ['y', 'z'] }),
      taker({ executionMode: 'ssh_cli' }),
      'give host nuc in the configuration the labels y, z, or assign the task to it',
    ],
    ['a mode and labels', waiting({ executionMode: 'ssh_cli', requires: ['y'] }), taker(), 'assign it to nuc'],
    ['a name', waiting({ namedAgentId: 'a2' }), taker(), 'assign it to nuc'],
    ['a place', waiting(), taker({ running: 1 }), 'wait until a place of nuc is free, or raise its capacity'],
    [
      'a name and a place',
      waiting({ namedAgentId: 'a2' }),
      taker({ running: 1 }),
      'assign it to nuc, and wait until a place of nuc is free, or raise its capacity',
    ],
    ['a gate', waiting({ ready: false, requiresApproval: true }), taker(), 'approve it'],
    [
      'a gate and an agent',
      waiting({ ready: false, requiresApproval: true }),
      taker({ cordoned: true }),
      'approve it, and let nuc back (cordoned: false)',
    ],
  ])('names %s', (_, task, agent, words) => {
    expect(change(task, agent)).toBe(words);
  });

  it('is the one of the agent that is nearest', () => {
    const far = taker({ id: 'a2', name: 'afar', labels: [] });
    const { agents, smallestChange } = explain(waiting(), [far, taker({ running: 1 })]);
    expect(agents.map(({ agentId }) => agentId)).toEqual(['a1', 'a2']);
    expect(smallestChange).toBe('wait until a place of nuc is free, or raise its capacity');
  });

  it('says who must come where there is nobody', () => {
    expect(explain(waiting({ executionMode: 'http_pull' }), []).smallestChange).toBe(
      'register an agent that pulls with the labels x',
    );
    expect(explain(waiting({ requires: [] }), []).smallestChange).toBe(
      'register an agent that pulls, or configure a host',
    );
  });
});

describe('a closed gate', () => {
  it('names what it waits for, and keeps the task from every agent', () => {
    const task = unready({ unmetDependencies: 1, concurrencyKey: 'deploy', dueAt: at, runAfter: at });
    const gates: GateFacts = { unmet: [{ id: 't7', status: 'failed' }], keyHolder: { id: 't9' } };
    const { takeable, reasons, agents } = explain(task, [taker()], { gates });
    expect(reasons).toMatchObject([
      { code: 'run_after', until: at, message: `It may not be taken before ${at}.` },
      { code: 'dependencies', taskIds: ['t7'], message: 'It waits for one task to complete: t7 (failed).' },
      { code: 'concurrency', taskIds: ['t9'] },
    ]);
    expect([takeable, agents[0]?.takeable, agents[0]?.reasons]).toEqual([false, false, []]);
    expect(agents[0]?.smallestChange).toContain('retry t7');
  });

  it('tells a delay before a retry from the wish of the caller', () => {
    expect(explain(unready({ dueAt: at, runAfter: '2026-11-20T13:00:00.000000Z' }), []).reasons[0]?.message).toContain(
      'Its last attempt failed',
    );
  });

  it('does not hide what time alone will not change', () => {
    const codes = (takers: Taker[]) => explain(unready({ dueAt: at }), takers).reasons.map(({ code }) => code);
    expect(codes([])).toEqual(['run_after', 'no_agents']);
    expect(codes([taker({ labels: [] })])).toEqual(['run_after', 'labels_nobody_has']);
    expect(codes([taker({ running: 1 })])).toEqual(['run_after']);
  });
});

it('labels that nobody has are named, also where nobody has them together', () => {
  const [reason] = explain(waiting({ requires: ['x', 'y'] }), [taker()]).reasons;
  expect(reason).toMatchObject({ code: 'labels_nobody_has', missing: ['y'] });
  const apart = [taker(), taker({ id: 'a2', labels: ['y'] })];
  expect(explain(waiting({ requires: ['x', 'y'] }), apart).reasons[0]).toMatchObject({ missing: [] });
});

it('an agent that asks is told of itself, and of no other agent or task', () => {
  const gates: GateFacts = { unmet: [], keyHolder: { id: null } };
  const task = unready({ concurrencyKey: 'k' });
  const told = explain(task, [taker(), taker({ id: 'a2', name: 'other', running: 1 })], { gates }, 'a2');
  expect(told).toMatchObject({ agentsTotal: 1, agents: [{ agentId: 'a2' }], reasons: [{ code: 'concurrency' }] });
  expect(JSON.stringify(told)).not.toContain('nuc');
  expect(explain(waiting({ requires: ['y'] }), [taker()], {}, 'gone')).toMatchObject({
    agents: [],
    smallestChange: null,
  });
});

it('at most a thousand agents are listed, the nearest, and all are counted', () => {
  const many = Array.from({ length: 1_200 }, (_, n) => taker({ id: `a${n}`, name: `a${n}`, online: n === 1_199 }));
  const { agents, agentsTotal } = explain(waiting(), many);
  expect([agents.length, agentsTotal, agents[0]?.agentId]).toEqual([1_000, 1_200, 'a1199']);
});

describe('a task that is not pending', () => {
  const attempt = (state: 'ok' | 'unreachable') => ({
    id: 'x',
    number: 1,
    agentId: 'h1',
    leaseExpiresAt: at,
    startedAt: at,
    process: null,
    contact: { state, since: at },
    progress: null,
  });
  const running = {
    status: 'running' as const,
    attempt: attempt('ok'),
    result: null,
    finishedAt: null,
    stopReason: null,
    stopDetail: null,
    repeatable: false,
  };
  const codes = (task: Parameters<typeof explainNotPending>[0], deadBy: string | null = at) =>
    explainNotPending(task, deadBy, 'gpu-1').reasons;

  it('says what it does instead', () => {
    expect(codes(running)).toEqual([{ code: 'not_pending', message: `It has been running on gpu-1 since ${at}.` }]);
    expect(codes({ ...running, status: 'assigned' })[0]?.message).toBe('It is assigned to gpu-1 and about to start.');
    const ended = { ...running, finishedAt: at };
    expect(codes({ ...ended, status: 'completed' })[0]?.message).toBe(`It completed at ${at}.`);
    expect(explainNotPending({ ...ended, status: 'failed' }, at, null).smallestChange).toBe('retry it');
  });

  it('says that it is asked to stop', () => {
    expect(codes({ ...running, stopReason: 'cancel', stopDetail: 'enough' })[1]).toEqual({
      code: 'stop_asked',
      message: 'It is asked to stop, since it is to be cancelled (enough).',
    });
  });

  it('says until when its host may stay out of reach', () => {
    const silent = { ...running, attempt: attempt('unreachable') };
    expect(codes(silent)[1]).toMatchObject({ code: 'host_unreachable', until: at });
    expect(codes(silent, null)[1]?.message).toContain('nothing was started there yet');
  });
});

it('what explain says is one thing: takeable exactly if nothing is named, and lists name its first reason', () => {
  const labels = fc.subarray(['x', 'y']);
  const anyTaker = fc.record({
    executionMode: fc.constantFrom('ssh_cli' as const, 'http_pull' as const),
    labels,
    running: fc.nat(2),
    online: fc.boolean(),
    cordoned: fc.boolean(),
    draining: fc.boolean(),
  });
  const anyTask = fc.record({
    executionMode: fc.constantFrom('undecided' as const, 'ssh_cli' as const, 'http_pull' as const),
    requires: labels,
    namedAgentId: fc.option(fc.constantFrom('a0', 'a1', 'gone')),
    ready: fc.boolean(),
    unmetDependencies: fc.nat(1),
  });
  const known: readonly string[] = [...TASK_REASONS, ...AGENT_REASONS];
  fc.assert(
    fc.property(anyTask, fc.array(anyTaker, { maxLength: 4 }), fc.subarray(['a0', 'a1']), (wish, agents, failed) => {
      const takers = agents.map((agent, n) => taker({ ...agent, id: `a${n}`, name: `a${n}` }));
      const keep = new Map(failed.map((id) => [id, at]));
      const task = waiting(wish);
      const told = explain(task, takers, { kept: keep });
      expect(told.takeable).toBe(told.reasons.length === 0);
      expect(told.takeable).toBe(told.agents.some((agent) => agent.takeable));
      expect(told.takeable).toBe(told.smallestChange === null);
      for (const agent of told.agents) {
        expect(agent.takeable).toBe(agent.smallestChange === null);
        if (task.ready) expect(agent.takeable).toBe(agent.reasons.length === 0);
      }
      const codes = [...told.reasons, ...told.agents.flatMap(({ reasons }) => reasons)].map(({ code }) => code);
      expect(codes.filter((code) => !known.includes(code))).toEqual([]);
      const reasonOf = waitingReasons(takers);
      for (const _ of ['looked at', 'known']) expect(reasonOf(task, keep)).toBe(told.reasons[0]?.code ?? null);
    }),
  );
});
