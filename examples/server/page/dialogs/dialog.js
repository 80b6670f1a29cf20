// A modal dialog: the browser keeps the focus in it, closes it with Escape, and gives the focus back.

import { el, freshId } from '../dom.js';
import { t } from '../i18n.js';

/** Opens a dialog with this content. `onClose` is called once, however it is closed. */
export function openDialog({ testid, title, content, onClose = () => {} }) {
  const titleId = freshId('dialog');
  const heading = el('h2', { id: titleId }, title);
  const close = el('button', {
    type: 'button', class: 'plain', testid: 'dialog-close', 'aria-label': t('dialog.close'),
    on: { click: () => dialog.close() },
  }, '×');
  const dialog = el('dialog', { testid, 'aria-labelledby': titleId }, el('div', { class: 'head' }, heading, close), content);
  dialog.addEventListener('close', () => {
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return {
    close: () => dialog.close(),
    setTitle: (text) => { heading.textContent = text; },
    /** Shows this instead of what was shown. */
    setContent(next) {
      content.replaceWith(next);
      content = next;
    },
  };
}
