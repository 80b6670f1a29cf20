// A labelled input with a hint and the place for what is wrong with it.

import { el, freshId } from '../dom.js';

/** A field. `root` belongs into a form; `setError('')` takes the error away. */
export function field({ label, hint, input, after = null }) {
  const id = freshId('field');
  input.id = id;
  const hintBox = hint ? el('p', { class: 'hint', id: `${id}-hint` }, hint) : null;
  const errorBox = el('p', { class: 'error', id: `${id}-error`, testid: input.dataset.testid && `${input.dataset.testid}-error` });
  errorBox.hidden = true;
  input.setAttribute('aria-describedby', `${hint ? `${id}-hint ` : ''}${id}-error`);
  return {
    root: el('div', { class: 'field' },
      el('div', { class: 'label' }, el('label', { for: id }, label), after), input, hintBox, errorBox),
    input,
    setError(text) {
      errorBox.textContent = text;
      errorBox.hidden = text === '';
      if (text) input.setAttribute('aria-invalid', 'true');
      else input.removeAttribute('aria-invalid');
    },
  };
}

/** Two or more choices of which one holds. `value()` says which. */
export function choice({ legend, testid, options, chosen, onChange = () => {} }) {
  const name = freshId('choice');
  const radios = options.map(({ value, label }) => {
    const radio = el('input', {
      type: 'radio', name, value, checked: value === chosen, testid: `${testid}-${value}`, on: { change: () => onChange(value) },
    });
    return { radio, root: el('label', {}, radio, el('span', {}, label)) };
  });
  return {
    root: el('fieldset', { class: 'choice', testid }, el('legend', {}, legend), radios.map(({ root }) => root)),
    value: () => radios.find(({ radio }) => radio.checked)?.radio.value,
    set(value) {
      for (const { radio } of radios) radio.checked = radio.value === value;
    },
  };
}

/** The slider for how many messages of each chat's past are fetched: 0 to 500. */
export function syncLimitField({ label, testid, value }) {
  const output = el('output', { testid: `${testid}-value` }, String(value));
  const input = el('input', {
    type: 'range', min: '0', max: '500', step: '10', testid, value: String(value),
    on: { input: () => { output.textContent = input.value; } },
  });
  // A value between the steps, set by another program, stays what it is until the slider is moved.
  let isMoved = false;
  input.addEventListener('input', () => { isMoved = true; });
  const it = field({ label, input, after: output });
  output.htmlFor.add(input.id);
  return { ...it, value: () => (isMoved ? input.valueAsNumber : value) };
}

/** Shows the first of these fields that has an error, and says whether there is one. */
export function focusFirstError(fields) {
  const wrong = fields.find(({ input }) => input.getAttribute('aria-invalid') === 'true');
  wrong?.input.focus();
  return Boolean(wrong);
}
