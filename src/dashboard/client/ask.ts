/**
 * Shows a question over the page instead of on its own: the same form, from the same address. If anything goes wrong
 * the link is followed as it is.
 */
export function askInPlace(): void {
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[data-ask]') : null;
    if (link === null || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    ask(link.href).catch(() => location.assign(link.href));
  });
}

async function ask(address: string): Promise<void> {
  const answer = await fetch(address);
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const question = page.getElementById('question');
  if (!answer.ok || question === null) return location.assign(address);
  showDialog(question);
}

/** A dialog with this content, which goes when it is closed. */
export function showDialog(content: Element): void {
  const dialog = document.createElement('dialog');
  dialog.append(content);
  dialog.setAttribute('aria-label', content.querySelector('h1')?.textContent ?? '');
  document.body.append(dialog);
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => {
    const closes = event.target instanceof Element && event.target.closest('[data-close]') !== null;
    if (!closes && event.target !== dialog) return;
    event.preventDefault();
    dialog.close();
  });
  dialog.showModal();
}
