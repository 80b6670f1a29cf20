// A button with a menu: arrow keys, Home, End and Escape, as people expect of menus.

import { el, freshId } from './dom.js';

/**
 * A menu of these items. An item has a `testid` and `choose(event)`; one with `isLink` is a link, whose `href` is set
 * from outside. `update` of what comes back sets texts and which items are there.
 */
export function createMenu({ testid, items }) {
  const id = freshId('menu');
  const button = el('button', {
    type: 'button', class: 'plain menu-button', testid, 'aria-haspopup': 'menu', 'aria-expanded': 'false',
    'aria-controls': id,
  }, '⋮');
  const entries = items.map((item) => {
    const shape = item.isLink
      ? el('a', { role: 'menuitem', testid: item.testid, target: '_blank', rel: 'noopener noreferrer' })
      : el('button', { type: 'button', role: 'menuitem', testid: item.testid });
    shape.tabIndex = -1;
    shape.addEventListener('click', (event) => {
      if (shape.getAttribute('aria-disabled') === 'true') {
        event.preventDefault();
        return;
      }
      close(true);
      item.choose(event);
    });
    return { item, shape };
  });
  const list = el('ul', { role: 'menu', id, class: 'menu', hidden: true, testid: `${testid}-items` },
    entries.map(({ shape }) => el('li', { role: 'none' }, shape)));
  const root = el('div', { class: 'menu-root' }, button, list);

  const shapes = () => entries.map(({ shape }) => shape);

  function open(focus) {
    list.hidden = false;
    button.setAttribute('aria-expanded', 'true');
    shapes().at(focus).focus();
    document.addEventListener('pointerdown', outside, true);
  }

  function close(returnsFocus) {
    if (list.hidden) return;
    list.hidden = true;
    button.setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', outside, true);
    if (returnsFocus) button.focus();
  }

  const outside = (event) => {
    if (!root.contains(event.target)) close(false);
  };

  button.addEventListener('click', () => (list.hidden ? open(0) : close(true)));
  root.addEventListener('keydown', (event) => {
    const at = shapes().indexOf(document.activeElement);
    const count = entries.length;
    const moves = {
      ArrowDown: () => (list.hidden ? open(0) : shapes()[(at + 1) % count].focus()),
      ArrowUp: () => (list.hidden ? open(-1) : shapes().at((at - 1 + count) % count).focus()),
      Home: () => !list.hidden && shapes()[0].focus(),
      End: () => !list.hidden && shapes().at(-1).focus(),
      Escape: () => close(true),
    };
    if (event.key === 'Tab') {
      close(false);
    } else if (Object.hasOwn(moves, event.key) && !(event.key === 'Escape' && list.hidden)) {
      event.preventDefault();
      moves[event.key]();
    }
  });

  return {
    root,
    /** Sets the button's label, and for each item its text, its address, and whether it can be chosen. */
    update(label, states) {
      button.setAttribute('aria-label', label);
      entries.forEach(({ item, shape }, at) => {
        const { text, href, isPossible = true } = states[at];
        if (shape.textContent !== text) shape.textContent = text;
        if (item.isLink && href) shape.href = href;
        if (item.isLink && !href) shape.removeAttribute('href');
        if (isPossible) shape.removeAttribute('aria-disabled');
        else shape.setAttribute('aria-disabled', 'true');
      });
    },
  };
}
