const SAID_MS = 2_000;

/** Buttons beside a command put it on the clipboard. */
export function copyOnClick(): void {
  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-copy]') : null;
    const text = button?.parentElement?.querySelector('[data-copied]')?.textContent;
    if (!button || !text) return;
    const say = (word: string) => {
      button.textContent = word;
      setTimeout(() => {
        button.textContent = 'Copy';
      }, SAID_MS);
    };
    copy(text).then(
      () => say('Copied'),
      () => say('Select it'),
    );
  });
}

/** Only pages that came over https, or from this machine, may use the clipboard. */
async function copy(text: string): Promise<void> {
  if (!navigator.clipboard) throw new Error('no clipboard');
  await navigator.clipboard.writeText(text);
}
