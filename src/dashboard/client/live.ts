import { applyParts } from './apply.ts';
import { setServerTime, tick } from './clocks.ts';
import { addLines, logWasReplaced } from './log.ts';

/** Browsers keep few connections to a site: a page that nobody sees gives its own back. */
const HIDDEN_MS = 10_000;
/** When the server refused the stream, the browser doesn't ask again by itself. */
const AGAIN_MS = 2_000;

let stream: EventSource | null = null;
let lastId = '';
let hiding: ReturnType<typeof setTimeout> | undefined;

/** Keeps the page as the server has it, and says so. */
export function startLive(): void {
  const source = document.body.dataset.live;
  if (source === undefined) return;
  open(source);
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(close, HIDDEN_MS);
    else if (stream === null) open(source);
  });
  // A page that is kept for going back to it has lost its stream.
  window.addEventListener('pagehide', close);
  window.addEventListener('pageshow', (event) => {
    if (event.persisted && stream === null) open(source);
  });
}

function close(): void {
  stream?.close();
  stream = null;
}

function open(source: string): void {
  const opened = new EventSource(lastId === '' ? source : withLastId(source));
  stream = opened;
  const on = (event: string, take: (data: string) => void) =>
    opened.addEventListener(event, (message: MessageEvent<string>) => {
      if (message.lastEventId !== '') lastId = message.lastEventId;
      take(message.data);
    });
  on('hello', greet);
  on('message', (data) => {
    applyParts(data);
    if (data.includes('id="attempts"')) logWasReplaced();
    tick();
  });
  on('log', addLines);
  on('reload', () => location.reload());
  opened.addEventListener('error', () => {
    if (stream !== opened) return;
    sayLost();
    if (opened.readyState !== EventSource.CLOSED) return;
    stream = null;
    setTimeout(() => stream === null && !document.hidden && open(source), AGAIN_MS);
  });
}

/** What the page was sent last, for a stream that is a new one to the browser. */
function withLastId(source: string): string {
  const address = new URL(source, location.href);
  address.searchParams.set('last', lastId);
  return address.href;
}

let lostAt: string | null = null;

function greet(data: string): void {
  const { assets, now } = JSON.parse(data) as { assets: string; now: number };
  // The server is another version than this page is from.
  if (assets !== document.body.dataset.assets) {
    location.reload();
    return;
  }
  setServerTime(now);
  lostAt = null;
  say('on', 'Live');
}

function sayLost(): void {
  lostAt ??= new Date(Date.now()).toISOString().slice(11, 16);
  say('off', `Not live since ${lostAt}, trying again`);
}

function say(state: 'on' | 'off', text: string): void {
  const mark = document.getElementById('live');
  if (mark === null || mark.textContent === text) return;
  mark.dataset.state = state;
  mark.textContent = text;
}
