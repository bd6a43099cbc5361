/** Takes markup of the server's into the page: what is in each template in the place of what has its id. */
export function applyParts(markup: string): void {
  const message = document.createElement('template');
  message.innerHTML = markup;
  for (const template of message.content.querySelectorAll('template')) {
    const part = template.content.firstElementChild;
    const there = part && document.getElementById(part.id);
    if (!there) continue;
    if (part.hasAttribute('data-list') && there.hasAttribute('data-list')) applyList(there, part);
    else replace(there, part);
  }
}

/** Brings a list into a new order; of an item that is marked as the same the one that is there stays. */
function applyList(list: Element, part: Element): void {
  const items: Element[] = [];
  for (const item of [...part.children]) {
    const there = list.querySelector(`:scope > #${CSS.escape(item.id)}`);
    const same = item.hasAttribute('data-same');
    // The page isn't what the server takes it for.
    if (same && there === null) {
      location.reload();
      return;
    }
    items.push(there === null ? item : same ? there : replace(there, item));
  }
  for (const child of [...list.children]) if (!items.includes(child)) child.remove();
  items.forEach((item, index) => {
    // What stands in its place isn't touched: moving an element would take the focus from it.
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
}

/**
 * Puts one element in the place of another, unless they are equal, and the focus, what was unfolded and how far it was
 * scrolled back as they were. Answers the one that is in the page.
 */
export function replace(there: Element, part: Element): Element {
  if (there.isEqualNode(part)) return there;
  const focused = there.contains(document.activeElement) ? document.activeElement?.id : undefined;
  const open = [...there.querySelectorAll('details')].map((details) => details.open);
  const { scrollLeft } = there;
  there.replaceWith(part);
  part.scrollLeft = scrollLeft;
  part.querySelectorAll('details').forEach((details, index) => {
    details.open = open[index] ?? false;
  });
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  return part;
}
