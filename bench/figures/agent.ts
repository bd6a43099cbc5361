import { startAgent } from '../support/agent.ts';
import type { Figure } from '../support/figure.ts';
import { idleRows } from './agent-idle.ts';
import { outputRows } from './agent-output.ts';
import { AGENT_CAPACITY, costRows, startRows } from './agent-tasks.ts';

/** The pull agent, as its owner starts it: at rest, and at work. */
export const agent: Figure = {
  name: 'agent',
  title:
    "the pull agent: at rest, from a task to its process, what a task costs it, a command that won't stop printing",
  async run(bench) {
    await using server = await bench.startServer('agent');
    // The first start compiles what all later ones find compiled.
    await (await startAgent(bench, server, { name: 'first', capacity: AGENT_CAPACITY }))[Symbol.asyncDispose]();
    await using one = await startAgent(bench, server, { name: 'bench', capacity: AGENT_CAPACITY });
    const idle = await idleRows(bench, one);
    bench.say('… idle done');
    const starts = await startRows(bench, server);
    bench.say('… starts done');
    const costs = await costRows(bench, server, one);
    bench.say('… costs done');
    return [...idle, ...starts, ...costs, ...(await outputRows(bench, server, one))];
  },
};
