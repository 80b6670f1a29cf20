// Asks before something that cannot be undone, does it, and stays open with the reason when it fails.

import { el, whileBusy } from '../dom.js';
import { t } from '../i18n.js';
import { problemBox } from '../problem.js';
import { openDialog } from './dialog.js';

/** Asks. `force` names the code of a failure after which the user may insist, and the text for that. */
export function confirm({ testid, title, text, list = [], submit, force = null, work }) {
  const problems = el('div', { role: 'alert' });
  const insists = el('input', { type: 'checkbox', testid: 'confirm-force' });
  const insist = force && el('label', { class: 'check', hidden: true }, insists, el('span', {}, force.text));
  const cancel = el('button', {
    type: 'button', testid: 'confirm-cancel', autofocus: true, on: { click: () => dialog.close() },
  }, t('dialog.cancel'));
  const button = el('button', { type: 'submit', class: 'danger', testid: 'confirm-submit' }, submit);
  const form = el('form', {
    on: {
      submit(event) {
        event.preventDefault();
        whileBusy(button, async () => {
          problems.replaceChildren();
          try {
            await work({ force: insists.checked });
            dialog.close();
          } catch (problem) {
            problems.replaceChildren(problemBox(problem));
            if (force && problem.code === force.on) insist.hidden = false;
          }
        });
      },
    },
  },
  el('p', {}, text),
  list.length > 0 && el('ul', { class: 'names-list', testid: 'confirm-list' }, list.map((name) => el('li', {}, name))),
  problems, insist, el('div', { class: 'buttons' }, cancel, button));
  const dialog = openDialog({ testid, title, content: form });
}
