import { describe, expect, test } from 'vitest';
import type { Agent } from '../../../src/contract/agent.ts';
import type { Event, Task } from '../../../src/contract/task.ts';
import { bornAs, sentenceOf } from '../../../src/demo/narrate.ts';

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
    expect(last(['editor'], decided)).toContain('nobody has `editor` (h has `build`, a has `lab`)');
  });

  test('says who named an agent and how its mode was found', () => {
    const named = event(2, 'agent_named', 'coordinator', { agent_id: 'a', execution_mode: 'http_pull' });
    expect(last(['editor'], named)).toMatch(/^→ http_pull: a coordinator named a, which is a registered pull agent/);
    const taken = event(3, 'assigned', 'agent', { agent_id: 'a', execution_mode: 'http_pull' });
    expect(last(['editor'], named, taken)).toMatch(/^The agent a, which alone may take it now/);
  });
});
