import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

export type Passed = { method: string; path: string; status: number };

/** A way from an agent to its server on which everything can go wrong. */
export type AgentWay = {
  url: string;
  /** What the server has answered, in order, whether that arrived or not. */
  passed: Passed[];
  /** Nothing passes any more, and what was under way is cut. */
  cut(): void;
  restore(): void;
  /** Requests are taken and never answered, as on a link that is half open. */
  silence(): void;
  /** Each request takes so much longer from now on. */
  slow(ms: number): void;
  /** The next request like this is acted on, but its answer never arrives. Answers how many were lost so far. */
  loseAnswer(path: RegExp): { lost(): number };
  /** Calls this once, when the next request like this has come (`asked`) or was acted on (`answered`); then it is cut. */
  once(path: RegExp, when: 'asked' | 'answered', act: () => void): void;
};

type Trap = { path: RegExp; when: 'asked' | 'answered'; act: () => void };

export async function startAgentWay(target: string): Promise<AgentWay> {
  const passed: Passed[] = [];
  const traps = new Set<Trap>();
  const open = new Set<ServerResponse>();
  let isCut = false;
  let isSilent = false;
  let slowMs = 0;
  const springs = (path: string, when: Trap['when']): boolean => {
    const trap = [...traps].find((one) => one.when === when && one.path.test(path));
    if (trap === undefined) return false;
    traps.delete(trap);
    trap.act();
    return true;
  };

  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', headers, url: path = '' } = incoming;
    open.add(outgoing);
    outgoing.on('close', () => open.delete(outgoing));
    incoming.pause();
    if (slowMs > 0) await delay(slowMs);
    if (isSilent) return;
    if (isCut || springs(path, 'asked')) {
      outgoing.destroy();
      return;
    }
    const onward = request(`${target}${path}`, { method, headers }, (answer) => {
      passed.push({ method, path, status: answer.statusCode ?? 0 });
      const isAnswered = answer.statusCode !== 204; // a dequeue that waited in vain has done nothing
      if (isCut || (isAnswered && springs(path, 'answered'))) {
        answer.resume().once('end', () => outgoing.destroy());
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => outgoing.writableFinished || onward.destroy());
    incoming.pipe(onward);
  }

  const way = createServer((incoming, outgoing) => void pass(incoming, outgoing));
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    way.close();
    way.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(way.address() as AddressInfo).port}`,
    passed,
    cut() {
      isCut = true;
      for (const answer of open) answer.destroy();
    },
    restore() {
      isCut = false;
      isSilent = false;
    },
    silence() {
      isSilent = true;
    },
    slow(ms) {
      slowMs = ms;
    },
    loseAnswer(path) {
      let lost = 0;
      traps.add({ path, when: 'answered', act: () => lost++ });
      return { lost: () => lost };
    },
    once: (path, when, act) => void traps.add({ path, when, act }),
  };
}
