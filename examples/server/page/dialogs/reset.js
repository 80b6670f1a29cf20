// Asks why the count of today's messages is reset, and does it.

import { el, whileBusy } from '../dom.js';
import { t } from '../i18n.js';
import { tellDone } from '../notices.js';
import { problemBox } from '../problem.js';
import { openDialog } from './dialog.js';
import { field, focusFirstError } from './field.js';

/** Opens it. */
export function openReset({ api, store }, account) {
  const reason = field({
    label: t('reset.reason'),
    input: el('input', { type: 'text', testid: 'reset-reason', maxLength: 500, autofocus: true, autocomplete: 'off' }),
  });
  const problems = el('div', { role: 'alert' });
  const submit = el('button', { type: 'submit', class: 'primary', testid: 'reset-submit' }, t('reset.submit'));

  async function reset() {
    const why = reason.input.value.trim();
    reason.setError(why ? '' : t('reset.reasonMissing'));
    if (focusFirstError([reason])) return;
    problems.replaceChildren();
    try {
      await api.resetUsage(account.name, why);
      store.takeSnapshots([await api.get(account.name)]);
      dialog.close();
      tellDone(t('reset.done'));
    } catch (problem) {
      problems.replaceChildren(problemBox(problem));
    }
  }

  const form = el('form', {
    noValidate: true,
    on: {
      submit(event) {
        event.preventDefault();
        whileBusy(submit, reset);
      },
    },
  },
  el('p', {}, t('reset.text')), reason.root, problems,
  el('div', { class: 'buttons' },
    el('button', { type: 'button', testid: 'reset-cancel', on: { click: () => dialog.close() } }, t('dialog.cancel')),
    submit));
  const dialog = openDialog({ testid: 'reset-dialog', title: t('reset.title'), content: form });
}
