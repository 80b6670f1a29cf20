// Where an account stands and why, in the reader's words.

import { serverNow } from './clock.js';
import { dateTime } from './format.js';
import { has, language, t } from './i18n.js';

/** Where an account stands. */
export function statusText({ status, isLoggedIn }) {
  const name = status === 'idle' && !isLoggedIn ? 'status.unlinked' : `status.${status}`;
  return has(name) ? t(name) : status;
}

/** Details of pairings are codes; all others are words. */
const CODE = /^[a-z_]*$/;

/** Kinds of reasons whose details are for whoever runs the service: they say what our words cannot. */
const FOR_OPERATORS = new Set(['internal', 'store_locked', 'store_corrupt', 'store_failed', 'proxy_failed', 'quarantined']);

/** Why an account stands where it does: our words where the reason is known, else what can be done, else its name. */
export function reasonText({ status, reason, userAction }) {
  if (!reason || status === 'ready') return '';
  const known = [`reason.${reason.kind}`, `action.${userAction}`].find(has);
  const parts = [known ? t(known) : reason.kind];
  if (reason.code) parts.push(`(${reason.code})`);
  const { detail = '' } = reason;
  if (!CODE.test(detail) && (!known || FOR_OPERATORS.has(reason.kind))) parts.push(detail);
  else if (reason.kind === 'pairing_rejected' && has(`problem.${detail}`)) parts.push(t(`problem.${detail}`));
  if (reason.retryAt && reason.retryAt > serverNow()) {
    parts.push(t('card.retryAt', { at: dateTime(reason.retryAt, language()) }));
  }
  return parts.join(' ');
}

/** What may help an account that could not be linked, in the order in which it is tried. */
export function reasonHints({ reason }) {
  const known = [`hint.${reason?.detail}`, `hint.${reason?.kind}`].find(has);
  return known ? t(known).split('\n') : [];
}

/** What is forbidden, and until when. */
export function restrictionText({ names, until }) {
  const what = names.map((name) => (has(`restriction.${name}`) ? t(`restriction.${name}`) : name)).join(', ');
  const head = until === null
    ? t('card.restrictedOpen')
    : t('card.restricted', { until: dateTime(until, language()) });
  return `${head}: ${what}.`;
}
