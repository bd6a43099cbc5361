import { replace } from './apply.ts';

/** More lines than this make a page slow: the oldest go, and can be had again by loading it. */
const MOST_LINES = 20_000;
/** So near to the end counts as at the end. */
const NEAR_PX = 24;

let following = false;

const lines = (): HTMLElement | null => document.getElementById('lines');
const button = (): HTMLButtonElement | null => document.querySelector<HTMLButtonElement>('[data-follow]');

/** Shows the end of the log and stays there, until somebody scrolls up. */
export function followLog(): void {
  findLinkedLine();
  window.addEventListener('hashchange', findLinkedLine);
  document.addEventListener('click', (event) => {
    if (!(event.target instanceof Element) || event.target.closest('[data-follow]') === null) return;
    setFollowing(!following);
  });
  logWasReplaced();
}

/** Another log stands on the page. */
export function logWasReplaced(): void {
  const box = lines();
  if (box === null) return;
  box.addEventListener('scroll', () => setFollowing(isAtEnd(box)), { passive: true });
  setFollowing(document.getElementById(location.hash.slice(1)) === null && button() !== null);
}

function setFollowing(now: boolean): void {
  following = now;
  const there = button();
  if (there) {
    there.setAttribute('aria-pressed', String(now));
    there.textContent = now ? 'Following' : 'Follow';
  }
  const box = lines();
  if (now && box && !isAtEnd(box)) box.scrollTop = box.scrollHeight;
}

const isAtEnd = (box: HTMLElement): boolean => box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;

/** Adds lines at the end; one that has grown takes the place of its beginning. */
export function addLines(markup: string): void {
  const list = document.getElementById('line-list');
  if (list === null) return;
  const template = document.createElement('template');
  template.innerHTML = markup;
  for (const line of [...template.content.children]) {
    const there = document.getElementById(line.id);
    if (there?.parentElement === list) replace(there, line);
    else list.append(line);
  }
  for (let more = list.childElementCount - MOST_LINES; more > 0; more--) list.firstElementChild?.remove();
  const box = lines();
  if (following && box) box.scrollTop = box.scrollHeight;
}

/** A linked line that isn't among those shown is asked for. */
function findLinkedLine(): void {
  const line = location.hash.slice(1);
  if (!/^[LE]\d+$/.test(line) || document.getElementById(line) !== null || lines() === null) return;
  const address = new URL(location.href);
  if (address.searchParams.get('line') === line) return;
  address.searchParams.set('line', line);
  location.replace(address);
}
