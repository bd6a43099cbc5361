import { askInPlace } from './ask.ts';
import { startClocks } from './clocks.ts';
import { copyOnClick } from './copy.ts';
import { listenToKeys } from './keys.ts';
import { startLive } from './live.ts';
import { followLog } from './log.ts';

startClocks();
startLive();
followLog();
askInPlace();
copyOnClick();
listenToKeys();

// On a narrow screen the tab that is open may lie beyond the edge.
for (const tab of document.querySelectorAll('.tabs [aria-current]')) {
  tab.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}
