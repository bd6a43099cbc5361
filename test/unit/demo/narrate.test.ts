import { describe, expect, test } from 'vitest';
import type { Agent } from '../../../src/contract/agent.ts';
import type { Attempt } from '../../../src/contract/attempt.ts';
import type { Event } from '../../../src/contract/event.ts';
import type { Task } from '../../../src/contract/task.ts';
import { bornAs, endOf, sentenceOf } from '../../../src/demo/narrate.ts';

const agent = (id: string, mode: string, labels: string[]) =>
  ({ id, name: id, execution_mode: mode, labels }) as unknown as Agent;
const event = (n: number, type: string, actor: string, data: object) =>
  ({ n, type, actor: { kind: actor, id: '' }, data, from_status: null, to_status: null }) as unknown as Event;

const agents = [agent('h', 'ssh_cli', ['build']), agent('a', 'http_pull', ['lab'])];
const known = (requires: string[], events: Event[]) => ({
  agents,
  events,
  task: { id: 'x-123456', title: 'T', template: 'lint', requires, requested_mode: 'undecided' } as Task,
});
const created = event(1, 'created', 'forge', { execution_mode: 'undecided' });

/** The sentence for the last of these events. */
function last(requires: string[], ...events: Event[]): string | null {
  const all = [created, ...events];
  return sentenceOf(all.at(-1) ?? created, known(requires, all));
}

describe('the story', () => {
  test('says how a task was born', () => {
    expect(bornAs(known(['build'], [created]))).toMatch(/…123456 “T” is there, undecided:.* `build`/);
  });

  test('says that a host matched', () => {
    const taken = event(2, 'assigned', 'server', { agent_id: 'h', execution_mode: 'ssh_cli' });
    expect(last(['build'], taken)).toMatch(/^→ ssh_cli: .* over SSH on the host h, .* has `build`/);
  });

  test('says that no host matched, only where that is so', () => {
    const taken = event(2, 'assigned', 'agent', { agent_id: 'a', execution_mode: 'http_pull' });
    expect(last(['lab'], taken)).toMatch(/^→ http_pull: no host has `lab` \(h has `build`\).* the agent a,/);
    expect(last(['build'], taken)).not.toContain('no host');
  });

  test('says why phase 2 left a task to the agents, and whether one could take it', () => {
    const decided = event(2, 'mode_decided', 'server', { execution_mode: 'http_pull', reason: 'no host for 2 s' });
    expect(last(['lab'], decided)).toBe('→ http_pull: no host for 2 s. It is now for a.');
    const taken = event(3, 'assigned', 'agent', { agent_id: 'a', execution_mode: 'http_pull' });
    expect(last(['lab'], decided, taken)).toBe('The agent a, which has `lab`, asked for work and took it.');
    expect(last(['editor'], decided)).toContain('nobody has `editor` (h has `build`, a has `lab`)');
  });

  test('says how an attempt and a task ended', () => {
    const attempt = { number: 2, started_at: '2026-01-01T00:00:00Z', finished_at: '2026-01-01T00:00:01.5Z' } as Attempt;
    const failed = { status: 'failed', assigned_agent_id: 'h', result: { exit_code: 3, error: 'it said 3' } } as Task;
    expect(endOf(failed, [attempt], agents)).toBe('✗ failed, exit code 3, attempt 2 on h, 1.5 s, it said 3');
    const again = { ...event(2, 'lease_lost', 'server', {}), to_status: 'pending' } as Event;
    expect(last(['build'], again)).toBe('The attempt ended (lease_lost), and the task is pending again.');
    expect(last(['build'], event(2, 'started', 'server', { pid: null }))).toBeNull();
  });

  test('says that the server took an attempt up again, and a host that was named', () => {
    expect(last(['build'], event(2, 'reattached', 'server', {}))).toContain('took the attempt up again');
    const named = event(2, 'agent_named', 'coordinator', { agent_id: 'h', execution_mode: 'ssh_cli' });
    expect(last(['lab'], named)).toContain('named h, which is a configured host');
    const taken = event(3, 'assigned', 'server', { agent_id: 'h', execution_mode: 'ssh_cli' });
    expect(last(['lab'], named, taken)).toBe('The server starts it over SSH on the host h, as it was named for it.');
  });

  test('says who named an agent and how its mode was found', () => {
    const named = event(2, 'agent_named', 'coordinator', { agent_id: 'a', execution_mode: 'http_pull' });
    expect(last(['editor'], named)).toMatch(/^→ http_pull: a coordinator named a, which is a registered pull agent/);
    const taken = event(3, 'assigned', 'agent', { agent_id: 'a', execution_mode: 'http_pull' });
    expect(last(['editor'], named, taken)).toMatch(/^The agent a, which alone may take it now/);
  });
});
