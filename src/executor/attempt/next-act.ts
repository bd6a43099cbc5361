import type { MachineReport } from '../../domain/machine.ts';

/** What the driver remembers of what it did and saw; on a re-attached attempt, also of what was done before. */
export type Memory = {
  /** A start may have reached the machine. */
  sent: boolean;
  /** The machine once reported the command's process. */
  processSeen: boolean;
  /** The machine's memory and boot, read before the first start was sent. */
  store: { storeId: string; bootId: string } | null;
};

export type Act = 'start' | 'status' | 'fence' | 'watch' | 'cancel' | 'end';

/**
 * The next thing to do about an attempt on its machine. `report` is the machine's last word, null when nothing is known
 * now; `hold`: what has not begun is not to begin. An attempt is over for us (`end`) when nothing more can happen there.
 */
export function nextAct(report: MachineReport | null, memory: Memory, hold: boolean): Act {
  if (report === null) {
    if (!memory.sent) return hold ? 'end' : 'start';
    return hold && !memory.processSeen ? 'fence' : 'status';
  }
  switch (report.state) {
    case 'none':
      // Nobody may start it in the new memory, and what still runs of it is to end there.
      if (isForgotten(report, memory)) return 'cancel';
      return hold ? 'fence' : 'start';
    case 'busy':
      return hold ? 'fence' : 'start';
    case 'starting':
    case 'running':
      return 'watch';
    case 'orphan':
      return 'cancel';
    case 'unstarted':
      return 'fence';
    case 'done':
    case 'void':
    case 'rebooted':
    case 'vanished':
      return 'end';
  }
}

/**
 * The machine doesn't know an attempt that it did know, or may have: a new control folder or a new boot can't tell
 * whether an earlier start ran there, so it must not be sent again.
 */
export function isForgotten(report: MachineReport, { processSeen, store }: Memory): boolean {
  if (report.state !== 'none') return false;
  return processSeen || (store !== null && (store.storeId !== report.storeId || store.bootId !== report.bootId));
}
