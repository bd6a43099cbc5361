import { type Item, lineId } from './lines.ts';

/** The part of a log that fits on a page. */
export type Window = { items: Item[]; earlier: boolean; later: boolean };

/** So many lines, or gaps, at most. */
const WINDOW_ITEMS = 4000;

export type WindowReader = {
  /** Takes what comes next; false when no more is wanted. */
  add(items: readonly Item[]): boolean;
  window(): Window;
};

/** Keeps the last lines of a log, or those around one of them. A line that never comes leaves the last ones. */
export function createWindow(around: string | null, most: number = WINDOW_ITEMS): WindowReader {
  let kept: Item[] = [];
  let found = false;
  let [earlier, later] = [false, false];

  const drop = (room: number) => {
    if (kept.length <= room) return;
    kept = kept.slice(-room);
    earlier = true;
  };
  const addOne = (item: Item) => {
    if (found && kept.length >= most) later = true;
    else kept.push(item);
    if (!found && item.kind === 'line' && lineId(item) === around) {
      found = true;
      drop(most / 2);
    }
    // Dropping each time would copy the whole window for every line.
    if (kept.length >= 2 * most) drop(most);
  };

  return {
    add(items) {
      for (const item of items) if (!later) addOne(item);
      return !later;
    },
    window() {
      if (!found) drop(most);
      return { items: kept, earlier, later };
    },
  };
}
