// The texts of the page in the language of its reader. The language is all that this page keeps in the browser.

import en from './texts/en.js';
import id from './texts/id.js';

const TEXTS = { en, id };
const KEPT = 'wa-language';
const listeners = new Set();
let current = preferred();

/** The language of the texts: `en` or `id`. */
export const language = () => current;

/** Whether there is a text of this name. */
export const has = (name) => Object.hasOwn(TEXTS[current], name);

/** The text of this name, with `{parameters}` filled in. */
export function t(name, parameters = {}) {
  const text = TEXTS[current][name] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, parameter) => String(parameters[parameter] ?? whole));
}

/** Changes the language, and tells everybody who shows texts. */
export function setLanguage(chosen) {
  if (!Object.hasOwn(TEXTS, chosen)) return;
  current = chosen;
  try {
    localStorage.setItem(KEPT, chosen);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  for (const listener of listeners) listener();
}

/** Calls back after the language changed. */
export const onLanguage = (listener) => listeners.add(listener);

/** Fills the texts of the document: `data-i18n` names an element's text, `data-i18n-label` its label. */
export function translate(root) {
  document.documentElement.lang = current;
  document.title = t('page.title');
  for (const element of root.querySelectorAll('[data-i18n]')) element.textContent = t(element.dataset.i18n);
  for (const element of root.querySelectorAll('[data-i18n-label]')) {
    element.setAttribute('aria-label', t(element.dataset.i18nLabel));
  }
}

function preferred() {
  let kept = null;
  try {
    kept = globalThis.localStorage?.getItem(KEPT);
  } catch {
    // As if nothing were kept.
  }
  if (kept && Object.hasOwn(TEXTS, kept)) return kept;
  for (const tag of globalThis.navigator?.languages ?? []) {
    const [primary] = tag.toLowerCase().split('-');
    // `in` is what old systems call Indonesian.
    if (primary === 'id' || primary === 'in') return 'id';
    if (primary === 'en') return 'en';
  }
  return 'en';
}
