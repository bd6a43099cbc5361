import { showDialog } from './ask.ts';

const HELP: readonly (readonly [key: string, what: string])[] = [
  ['j', 'next task'],
  ['k', 'task before'],
  ['Enter', 'open the task'],
  ['c', 'cancel it (asks)'],
  ['g t', 'all tasks'],
  ['?', 'this help'],
];
const SECOND_KEY_MS = 1_500;

let prefix = '';
let prefixAtMs = 0;

export function listenToKeys(): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const keys = performance.now() - prefixAtMs < SECOND_KEY_MS ? prefix + event.key : event.key;
    prefix = event.key === 'g' ? 'g' : '';
    prefixAtMs = performance.now();
    if (act(keys)) event.preventDefault();
  });
  document.addEventListener('click', (event) => {
    if (event.target instanceof Element && event.target.closest('[data-help]')) showHelp();
  });
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest('input, textarea, select, dialog') !== null;

/** Does what the keys mean; answers whether they mean anything here. */
function act(keys: string): boolean {
  switch (keys) {
    case 'j':
      return move(1);
    case 'k':
      return move(-1);
    case 'c':
      return press('[data-key="c"]');
    case 'gt':
      location.assign('/');
      return true;
    case '?':
      showHelp();
      return true;
    default:
      return false;
  }
}

/** The cursor of the table is the focus: Enter opens what it is on. */
function move(by: 1 | -1): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (by === 1 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1);
  rows[next]?.focus();
  return rows.length > 0;
}

function press(selector: string): boolean {
  const there = document.querySelector<HTMLElement>(selector);
  there?.click();
  return there !== null;
}

function showHelp(): void {
  const box = document.createElement('div');
  box.className = 'box question';
  const title = document.createElement('h1');
  title.textContent = 'Keyboard';
  const list = document.createElement('dl');
  list.className = 'facts';
  for (const [key, what] of HELP) list.append(row(key, what));
  const close = document.createElement('button');
  close.type = 'button';
  close.textContent = 'Close';
  close.dataset.close = '';
  box.append(title, list, close);
  showDialog(box);
}

function row(key: string, what: string): HTMLElement {
  const row = document.createElement('div');
  const term = document.createElement('dt');
  const keys = document.createElement('kbd');
  keys.textContent = key;
  term.append(keys);
  const meaning = document.createElement('dd');
  meaning.textContent = what;
  row.append(term, meaning);
  return row;
}
