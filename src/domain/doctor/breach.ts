/** What to do about each kind of breach, by its code. */
const ADVICE = {
  chain_broken:
    'The history of this task was changed outside the program, or the database lost writes: compare with a backup, and trust nothing that its events say.',
  illegal_move: 'The program wrote a change that the table of moves forbids: report it with the events of the task.',
  fenced_attempt_wrote:
    'An attempt that was not the current one changed the task: report it with the events of the task.',
  started_after_stop:
    'An attempt was started after a stop had been asked: look at its machine for effects, and report it.',
  status_untold:
    'Somebody changed the row and not the history: cancel the task, or put its status back as the events tell it.',
  attempts_miscounted: 'Rows of attempts are missing or were added by hand: compare with a backup.',
  attempts_untold:
    'Attempts and events differ: compare with a backup; what the events tell was written with the change.',
  two_open_attempts:
    'Two machines may work on this task: stop it there, cancel it, and see whether the index attempts_open exists.',
  open_attempt_left: 'The attempt keeps a place of its agent: see that its machine runs nothing of it, and report it.',
  attempt_mismatch: 'The task stands with another attempt than its current one: cancel it and report it.',
  result_contradicts: 'The result is not what became of its last attempt: report it with the events of the task.',
  budget_miscounted: 'The task may be tried too often, or not often enough: report it with the events of the task.',
  lease_misplaced:
    'The lease says otherwise than the status: cancel the task, retry it if it is still wanted, and report it.',
  ready_wrong: 'Change the task (its priority, for one) so that its gates are looked at again, and report it.',
  key_misplaced: 'The concurrency key is held wrongly: end the task that holds it, or delete the row of `concurrency`.',
  dependency_miscounted: 'Cancel the task and create it anew if it waits for nothing that is still to come; report it.',
  dependency_hanging:
    'What the task waits for is not in the database: cancel it, or create it anew without this dependency.',
  dependency_untold: 'A dependency ended and this task is not told: see that a server runs and sweeps; else report it.',
  stuck: 'Nothing will move this task by itself: see that a server runs and sweeps; cancel it if it is not wanted.',
  place_kept:
    'A place of the agent is kept for an attempt that has ended: delete the agent and register it anew, and report it.',
  lane_wrong: 'No claim finds this task where it stands: assign it to an agent, or cancel it and create it anew.',
  assignment_wrong:
    'The task says wrongly to whom it is assigned, or since when: assign it to its agent again, or unassign it; report it.',
  agent_missing: 'Rows of agents are never deleted by the program: compare with a backup.',
  deleted_agent_named: 'The agent that the task names was deleted: unassign the task, or assign it to another.',
  log_not_whole: 'Pieces of the log are missing: compare with a backup; the exit code and the result are not affected.',
  log_hash_wrong:
    'The stored log is not what was sealed at the end: it was changed outside the program, or the disk is bad.',
  row_left_over: 'The row belongs to nothing any more: delete it, after a look at how what it belonged to was deleted.',
  pruned_left_over:
    'The task was deleted for its age and something of it is there: delete it, or the row of `pruned_tasks`.',
  idempotency_hanging:
    'A repeated request would be answered with a task that does not exist: delete the row of `idempotency_keys`.',
  delivery_undecided: 'The delivery was stored without its decision: replay it from the forge, and report it.',
  delivery_hanging: 'The delivery names tasks that do not exist: compare with a backup, or replay it from the forge.',
  effect_hanging:
    'The effect is held by a task that does not exist: delete the row of `effects`, then replay the delivery.',
  audit_broken:
    'The record of acts was changed outside the program, or the database lost writes: compare with a backup.',
  capacity_overfilled:
    'More attempts hold places than there are; right for a while after the capacity was lowered, else report it.',
} as const;

export type BreachCode = keyof typeof ADVICE;

/** An invariant that does not hold. `taskId` null: it is about no single task. */
export type Breach = { code: BreachCode; taskId: string | null; detail: string; whatToDo: string };

export const BREACH_CODES = Object.keys(ADVICE) as BreachCode[];

export const breach = (code: BreachCode, taskId: string | null, detail: string): Breach => ({
  code,
  taskId,
  detail,
  whatToDo: ADVICE[code],
});
