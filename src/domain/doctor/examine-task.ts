import { checkAttempts, checkResult, compareWithStory } from './attempts.ts';
import type { Breach } from './breach.ts';
import { checkChain, readEvent } from './chain.ts';
import type { TaskFacts } from './facts.ts';
import { checkDependencies, checkKey, checkReady } from './gates.ts';
import { checkLease, checkPlace } from './standing.ts';
import { tellStory } from './story.ts';

/** Every invariant that one task's rows can breach; its logs apart. */
export function examineTask(facts: TaskFacts): Breach[] {
  return [
    ...examineHistory(facts),
    ...checkLease(facts),
    ...checkPlace(facts),
    ...checkDependencies(facts),
    ...checkReady(facts),
    ...checkKey(facts),
  ];
}

/** One thing after the other: what follows from a first breach would be told as many. */
function examineHistory(facts: TaskFacts): Breach[] {
  const broken = checkChain(facts);
  if (broken.length > 0) return broken;
  const story = tellStory(facts.task.id, facts.events.map(readEvent));
  if (story.breaches.length > 0) return story.breaches;
  const ofAttempts = checkAttempts(facts);
  if (ofAttempts.length > 0) return ofAttempts;
  const untold = compareWithStory(facts, story);
  return untold.length > 0 ? untold : checkResult(facts);
}
