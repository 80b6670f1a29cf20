// Short messages at the edge of the page. What went well goes by itself; what failed stays until it is dismissed.

import { el } from './dom.js';
import { t } from './i18n.js';
import { problemBox } from './problem.js';

const SHOWN_FOR = 6000;

/** Tells that something was done. */
export function tellDone(text) {
  const notice = add('status', 'notice-done', el('p', {}, text));
  setTimeout(() => notice.remove(), SHOWN_FOR);
}

/** Tells that something failed. Failures that are no Problem are faults of this page, and go to the console, too. */
export function tellProblem(problem, ...more) {
  if (problem.name !== 'Problem') console.error(problem);
  add('alert', 'notice-problem', problemBox(problem), ...more);
}

/** Tells more than a line. */
export function tell(...content) {
  add('alert', 'notice-problem', ...content);
}

/** Does something a button asks for, and tells when it fails. Whether it went well. */
export async function attempt(work) {
  try {
    await work();
    return true;
  } catch (problem) {
    tellProblem(problem);
    return false;
  }
}

function add(role, testid, ...content) {
  const region = document.getElementById('notices');
  const close = el('button', {
    type: 'button', class: 'plain', testid: 'notice-close', 'aria-label': t('notice.close'),
    on: { click: () => notice.remove() },
  }, '×');
  const notice = el('div', { class: `notice ${testid}`, role, testid }, el('div', {}, ...content), close);
  region.append(notice);
  return notice;
}
