import type { Command } from 'commander';
import type { Context } from '../connect.ts';
import { addTaskApprove } from './approve.ts';
import { addTaskAssign } from './assign.ts';
import { addTaskCancel } from './cancel.ts';
import { addTaskCreate } from './create.ts';
import { addTaskExplain } from './explain.ts';
import { addTaskList } from './list.ts';
import { addTaskLog } from './log.ts';
import { addTaskPatch } from './patch.ts';
import { addTaskRetry } from './retry.ts';
import { addTaskShow } from './show.ts';
import { addTaskUnassign } from './unassign.ts';
import { addTaskWait } from './wait.ts';

const COMMANDS = [
  addTaskList,
  addTaskShow,
  addTaskExplain,
  addTaskLog,
  addTaskCreate,
  addTaskPatch,
  addTaskAssign,
  addTaskUnassign,
  addTaskApprove,
  addTaskCancel,
  addTaskRetry,
  addTaskWait,
];

export function addTasks(program: Command, context: Context): void {
  const task = program.command('task').description('create, watch and steer tasks');
  for (const add of COMMANDS) add(task, context);
}
