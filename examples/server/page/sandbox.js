// Simulated phones, where the server has them: they scan what is on show, or type the code.

import { el, freshId, show, whileBusy } from './dom.js';
import { t } from './i18n.js';
import { problemBox } from './problem.js';

/** The panel, for this account. */
export function sandboxPanel({ api, store, phones }, id) {
  const selectId = freshId('phone');
  const select = el('select', { id: selectId, testid: 'sandbox-phone' },
    phones.map((phone) => el('option', { value: phoneName(phone) }, phoneLabel(phone))));
  const problems = el('div', { role: 'alert' });
  const act = (testid, text, call) => {
    const button = el('button', {
      type: 'button', testid,
      on: {
        click: () => whileBusy(button, async () => {
          problems.replaceChildren();
          try {
            await call(store.get(id)?.name ?? '', select.value);
          } catch (problem) {
            problems.replaceChildren(problemBox(problem));
          }
        }),
      },
    }, text);
    return button;
  };
  const scan = act('sandbox-scan', t('sandbox.scan'), api.scan);
  const type = act('sandbox-type', t('sandbox.type'), api.typeCode);
  const root = el('fieldset', { class: 'sandbox', testid: 'sandbox' },
    el('legend', {}, t('sandbox.title')),
    el('label', { for: selectId }, t('sandbox.phone')), select, scan, type, problems);
  return {
    root,
    /** Offers what fits the method that is shown. */
    update(method) {
      show(scan, method === 'qr');
      show(type, method === 'code');
    },
  };
}

const phoneName = (phone) => (typeof phone === 'string' ? phone : phone.name);
const phoneLabel = (phone) => (typeof phone === 'string' || !phone.number ? phoneName(phone) : `${phone.name} (+${phone.number})`);
