// The bar that appears once accounts are selected.

import { setText, show, whileBusy } from './dom.js';
import { t } from './i18n.js';

/** Wires the bar. `selection` is the set of chosen ids; `onChange` redraws what else shows it. */
export function createBatch({ actions, selection, onChange }) {
  const bar = document.getElementById('batch');
  const count = document.getElementById('batch-count');
  const all = document.getElementById('select-all');
  let accounts = [];

  const wire = (id, work) => {
    const button = document.getElementById(id);
    button.onclick = () => whileBusy(button, work);
  };
  wire('batch-start', () => actions.startMany([...selection]));
  wire('batch-stop', () => actions.stopMany([...selection]));
  wire('batch-delete', () => actions.deleteMany([...selection]));
  wire('batch-clear', () => {
    selection.clear();
    onChange();
    all.focus();
  });
  all.onchange = () => {
    for (const { id } of accounts) {
      if (all.checked) selection.add(id);
      else selection.delete(id);
    }
    onChange();
  };

  return {
    /** Shows how many of these are selected; those that are gone are selected no longer. */
    render(now) {
      accounts = now;
      const ids = new Set(accounts.map((account) => account.id));
      for (const id of selection) if (!ids.has(id)) selection.delete(id);
      const hadFocus = bar.contains(document.activeElement);
      setText(count, t('batch.count', { count: selection.size }));
      show(bar, selection.size > 0);
      if (bar.hidden && hadFocus) all.focus();
      all.checked = accounts.length > 0 && selection.size === accounts.length;
      all.indeterminate = selection.size > 0 && selection.size < accounts.length;
      all.disabled = accounts.length === 0;
    },
  };
}
