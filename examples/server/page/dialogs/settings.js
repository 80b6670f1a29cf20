// The settings of an account: what can be set, and how far it is trusted.

import { el, setText, whileBusy } from '../dom.js';
import { dateTime } from '../format.js';
import { language, t } from '../i18n.js';
import { tellDone } from '../notices.js';
import { problemBox } from '../problem.js';
import { openDialog } from './dialog.js';
import { field, focusFirstError, syncLimitField } from './field.js';
import { openReset } from './reset.js';

const STORAGE_MODES = ['filesystem', 'database', 's3', 'none'];

/** Opens it with what the server has just told of the account. */
export function openSettings(session, snapshot) {
  const { api, store } = session;
  const view = () => store.get(snapshot.id);
  const content = el('div', {});
  const dialog = openDialog({
    testid: 'settings-dialog',
    title: t('settings.title', { name: snapshot.displayName }),
    content,
    onClose: () => unsubscribe(),
  });
  let trust = null;
  const unsubscribe = store.subscribe(() => trust?.update());
  fill(snapshot);

  /** Shows the form with these values, and `problem` above them. */
  function fill(now, problem = null) {
    const displayName = field({
      label: t('settings.displayName'),
      input: el('input', {
        type: 'text', testid: 'settings-display-name', maxLength: 100, autocomplete: 'off', value: now.displayName,
      }),
    });
    const autoStart = el('input', { type: 'checkbox', testid: 'settings-auto-start', checked: now.settings.autoStart });
    const syncLimit = syncLimitField({
      label: t('settings.syncLimit'), testid: 'settings-sync-limit', value: now.settings.syncLimit,
    });
    // A mode that this page does not know stays what it is.
    const modes = [...new Set([...STORAGE_MODES, now.settings.storageMode])];
    const storageMode = field({
      label: t('settings.storageMode'),
      input: el('select', { testid: 'settings-storage-mode' }, modes.map((mode) => el('option', {
        value: mode, selected: mode === now.settings.storageMode,
      }, STORAGE_MODES.includes(mode) ? t(`settings.storage.${mode}`) : mode))),
    });
    trust = trustBox();
    const problems = el('div', { role: 'alert' }, problem);
    const save = el('button', { type: 'submit', class: 'primary', testid: 'settings-save' }, t('settings.save'));

    async function submit() {
      const name = displayName.input.value.trim();
      displayName.setError(name ? '' : t('add.displayNameMissing'));
      if (focusFirstError([displayName])) return;
      problems.replaceChildren();
      const settings = {
        ...now.settings,
        autoStart: autoStart.checked,
        syncLimit: syncLimit.value(),
        storageMode: storageMode.input.value,
      };
      try {
        store.takeSnapshots([await api.update(now.name, now.version, { displayName: name, settings })]);
        dialog.close();
        tellDone(t('settings.saved'));
      } catch (refused) {
        if (refused.code === 'version_conflict' || refused.status === 412) await reload();
        else problems.replaceChildren(problemBox(refused));
      }
    }

    /** Somebody else was faster: what they set is shown, and the user decides again. */
    async function reload() {
      try {
        const fresh = await api.get(now.name);
        store.takeSnapshots([fresh]);
        fill(fresh, el('p', { class: 'problem', testid: 'settings-changed' }, t('settings.changed')));
      } catch (failed) {
        problems.replaceChildren(problemBox(failed));
      }
    }

    content.replaceChildren(el('form', {
      noValidate: true,
      on: {
        submit(event) {
          event.preventDefault();
          whileBusy(save, submit);
        },
      },
    },
    problems,
    displayName.root,
    el('p', { class: 'hint' }, `${t('settings.name')}: `, el('code', {}, now.name)),
    el('label', { class: 'check' }, autoStart, el('span', {}, t('settings.autoStart'))),
    syncLimit.root, storageMode.root, trust.root,
    el('div', { class: 'buttons' },
      el('button', { type: 'button', testid: 'settings-cancel', on: { click: () => dialog.close() } }, t('dialog.cancel')),
      save)));
    displayName.input.focus();
  }

  function trustBox() {
    const level = el('dd', { testid: 'settings-trust-level' });
    const daily = el('dd', { testid: 'settings-daily-limit' });
    const resets = el('p', { class: 'hint', testid: 'settings-resets-at' });
    const reset = el('button', {
      type: 'button', testid: 'settings-reset', on: { click: () => openReset(session, view()) },
    }, t('settings.reset'));
    const box = {
      root: el('div', { class: 'trust-box' },
        el('dl', {}, el('dt', {}, t('settings.trustLevel')), level, el('dt', {}, t('settings.dailyLimit')), daily),
        resets, reset),
      update() {
        const account = view();
        if (!account) {
          dialog.close();
          return;
        }
        const { trustLevel, dailyLimit, messagesSentToday, resetsAt } = account.trust;
        setText(level, t('settings.trustValue', { level: trustLevel }));
        setText(daily, t('settings.dailyValue', { used: messagesSentToday, limit: dailyLimit }));
        setText(resets, resetsAt ? t('settings.resetsAt', { at: dateTime(resetsAt, language()) }) : '');
      },
    };
    box.update();
    return box;
  }
}
