// What people are told of a failure: in their language where the code is known, else in the server's words.

import { has, language, t } from './i18n.js';
import { el } from './dom.js';
import { dateTime, wait } from './format.js';

/** Codes whose details say more than our words: what WhatsApp answered, or what is wrong with a name. */
const SAYS_MORE = new Set(['rejected', 'not_unlinked', 'invalid_name', 'invalid_phone']);
/** Statuses of which there is no more to say, whatever the code. */
const SAYS_ALL = new Set([401, 404, 429]);

/** Title, detail and hints of a Problem, as texts. */
export function describe(problem) {
  const known = [`problem.${problem.code}`, `problem.${problem.status}`].find(has);
  const title = known ? t(known) : problem.title || t('problem.unknown');
  // What our words say already is not said again in the server's.
  const isSaid = known === `problem.${problem.code}` ? !SAYS_MORE.has(problem.code) : SAYS_ALL.has(problem.status);
  const detail = !isSaid && problem.detail && problem.detail !== title ? problem.detail : '';
  const hints = problem.hints?.length ? problem.hints.map(String) : ownHints(problem);
  if (problem.retryAfter) hints.push(t('problem.retryAfter', { wait: wait(problem.retryAfter, language()) }));
  if (problem.until) hints.push(t('problem.until', { until: dateTime(problem.until, language()) }));
  return { title, detail, hints };
}

/** The same as elements. */
export function problemBox(problem) {
  const { title, detail, hints } = describe(problem);
  return el('div', { class: 'problem', testid: 'problem', 'data-code': problem.code || String(problem.status ?? '') },
    el('p', { class: 'problem-title' }, title),
    detail && el('p', { class: 'problem-detail' }, detail),
    hints.length > 0 && el('ul', {}, hints.map((hint) => el('li', {}, hint))));
}

function ownHints(problem) {
  const key = `hint.${problem.code}`;
  return has(key) ? t(key).split('\n') : [];
}
