// The dialog that adds an account: its name and first settings, then what links it to a phone.

import { el, whileBusy } from '../dom.js';
import { t } from '../i18n.js';
import { isName, isPhone, nameFrom } from '../inputs.js';
import { problemBox } from '../problem.js';
import { openDialog } from './dialog.js';
import { choice, field, focusFirstError, syncLimitField } from './field.js';
import { createLinkPanel } from './link_panel.js';

/** How many messages of each chat are fetched when nobody says otherwise. */
const SYNC_LIMIT = 50;

/** Opens it. */
export function openAdd(session) {
  const { api, store } = session;
  let panel = null;
  let isNameTyped = false;

  const displayName = field({
    label: t('add.displayName'),
    hint: t('add.displayNameHint'),
    input: el('input', {
      type: 'text', testid: 'add-display-name', maxLength: 100, autofocus: true, autocomplete: 'off',
      on: { input: () => { if (!isNameTyped) name.input.value = nameFrom(displayName.input.value); } },
    }),
  });
  const name = field({
    label: t('add.name'),
    hint: t('add.nameHint'),
    input: el('input', {
      type: 'text', testid: 'add-name', maxLength: 64, autocomplete: 'off', spellcheck: false, autocapitalize: 'none',
      on: { input: () => { isNameTyped = name.input.value !== ''; } },
    }),
  });
  const phone = field({
    label: t('add.phone'),
    hint: t('add.phoneHint'),
    input: el('input', { type: 'text', inputMode: 'numeric', testid: 'add-phone', maxLength: 32, autocomplete: 'off' }),
  });
  phone.root.hidden = true;
  const method = choice({
    legend: t('add.method'),
    testid: 'add-method',
    options: [{ value: 'qr', label: t('link.qr') }, { value: 'code', label: t('link.code') }],
    chosen: 'qr',
    onChange: (value) => { phone.root.hidden = value !== 'code'; },
  });
  const syncLimit = syncLimitField({ label: t('add.syncLimit'), testid: 'add-sync-limit', value: SYNC_LIMIT });
  const problems = el('div', { role: 'alert' });
  const submit = el('button', { type: 'submit', class: 'primary', testid: 'add-submit' }, t('add.submit'));

  const form = el('form', {
    noValidate: true,
    on: {
      submit(event) {
        event.preventDefault();
        whileBusy(submit, add);
      },
    },
  },
  displayName.root, name.root, method.root, phone.root, syncLimit.root, problems,
  el('div', { class: 'buttons' },
    el('button', { type: 'button', testid: 'add-cancel', on: { click: () => dialog.close() } }, t('dialog.cancel')),
    submit));

  async function add() {
    const asked = method.value();
    const typed = {
      displayName: displayName.input.value.trim(),
      name: name.input.value.trim(),
      phone: phone.input.value.trim(),
    };
    displayName.setError(typed.displayName ? '' : t('add.displayNameMissing'));
    name.setError(isName(typed.name) || !typed.displayName ? '' : t('add.nameWrong'));
    phone.setError(asked === 'code' && !isPhone(typed.phone) ? t('add.phoneWrong') : '');
    if (focusFirstError([displayName, name, phone])) return;
    problems.replaceChildren();
    try {
      const snapshot = await api.create({
        name: typed.name,
        displayName: typed.displayName,
        mode: asked === 'code' ? 'pairing' : 'qr',
        ...(asked === 'code' ? { phoneNumber: typed.phone } : {}),
        settings: { syncLimit: syncLimit.value() },
      });
      showPanel(snapshot, { method: asked, asked });
    } catch (problem) {
      const made = await madeAllTheSame(typed.name, problem);
      if (made) showPanel(made, { method: asked, problem });
      else problems.replaceChildren(problemBox(problem));
    }
  }

  /** The account, where only linking it was refused: it is there, and can be linked when that is possible again. */
  async function madeAllTheSame(name, { status, code }) {
    if (code === 'already_exists' || ![409, 429, 502, 503].includes(status)) return null;
    return api.get(name).catch(() => null);
  }

  function showPanel(snapshot, options) {
    store.takeSnapshots([snapshot]);
    panel = createLinkPanel(session, snapshot.id, { ...options, onDone: () => dialog.close() });
    dialog.setTitle(t('link.title', { name: snapshot.displayName }));
    dialog.setContent(panel.root);
    panel.root.focus({ preventScroll: true });
  }

  const dialog = openDialog({
    testid: 'add-dialog',
    title: t('add.title'),
    content: form,
    onClose: () => panel?.close(),
  });
}
