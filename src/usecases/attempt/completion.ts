import type { Result } from '../../domain/attempt.ts';
import type { Holder } from '../../domain/holder.ts';
import type { Status } from '../../domain/task.ts';

/** One attempt that is said to have ended; `hash` is of the body that says it. */
export type Completion = { holder: Holder; attemptId: string; result: Result; hash: string };
/** What its task is then. */
export type Completed = { taskId: string; taskStatus: Status };
