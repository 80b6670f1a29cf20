// Links an account to a phone: shows what is to be scanned or typed, how long it is good, and what became of it.

import { serverNow } from '../clock.js';
import { copy } from '../clipboard.js';
import { el, setText, show, whileBusy } from '../dom.js';
import { countdown, groupedCode } from '../format.js';
import { t } from '../i18n.js';
import { isPhone } from '../inputs.js';
import { LINKING, linkView } from '../link_view.js';
import { problemBox } from '../problem.js';
import { blank, drawQr } from '../qr.js';
import { sandboxPanel } from '../sandbox.js';
import { reasonHints, reasonText } from '../status_text.js';
import { choice, field } from './field.js';

const STEPS = { qr: ['open', 'devices', 'link', 'scan'], code: ['open', 'devices', 'link', 'instead', 'enter'] };

/**
 * The panel for one account. `asked` is the method of an attempt that was just asked for, `method` what is shown
 * first, `problem` why there is no attempt. `onDone` closes the dialog around it. `close` of what comes back has to be
 * called at the end.
 */
export function createLinkPanel(session, id, { method: first, asked: askedFirst = null, problem = null, onDone }) {
  const { api, store } = session;
  let method = first ?? 'qr';
  let asked = askedFirst;
  let hasBegun = false;
  let lastStatus = null;
  let drawn = null;

  const status = el('p', { class: 'link-status', role: 'status', testid: 'link-status' });
  const hints = el('ul', { class: 'hints', testid: 'link-hints' });
  const offline = el('p', { class: 'offline', testid: 'link-offline' }, t('link.offline'));
  const problems = el('div', { role: 'alert' }, problem && problemBox(problem));
  const methods = choice({
    legend: t('add.method'),
    testid: 'link-method',
    options: [{ value: 'qr', label: t('link.qr') }, { value: 'code', label: t('link.code') }],
    chosen: method,
    onChange(value) {
      method = value;
      problems.replaceChildren();
      render();
    },
  });

  const canvas = el('canvas', { role: 'img', testid: 'link-qr', 'aria-label': t('link.qrImage'), width: 1, height: 1 });
  const code = el('output', { class: 'code', testid: 'link-code' });
  const copied = el('span', { role: 'status', testid: 'link-copied' });
  const copyButton = el('button', {
    type: 'button', testid: 'link-copy',
    on: {
      click: async () => setText(copied, t((await copy(code.textContent, code)) ? 'link.copied' : 'link.copyFailed')),
    },
  }, t('link.copy'));
  const codeBox = el('div', { class: 'code-box' }, code, copyButton, copied);
  const timer = el('p', { class: 'timer', role: 'timer', testid: 'link-timer' });

  const phone = field({
    label: t('add.phone'),
    hint: t('add.phoneHint'),
    input: el('input', {
      type: 'text', inputMode: 'numeric', testid: 'link-phone', value: store.get(id)?.phoneNumber ?? '', maxLength: 32,
    }),
  });
  const startButton = el('button', { type: 'submit', class: 'primary', testid: 'link-start' });
  const startForm = el('form', {
    noValidate: true,
    on: {
      submit(event) {
        event.preventDefault();
        whileBusy(startButton, start);
      },
    },
  }, phone.root, startButton);

  const steps = el('ol', { testid: 'link-steps' });
  const noPush = el('p', { class: 'hint' }, t('link.noPush'));
  const help = el('section', {}, el('h3', {}, t('link.steps')), steps, noPush);
  const sandbox = session.phones.length > 0 ? sandboxPanel(session, id) : null;

  const refreshButton = button('link-refresh', t('link.refresh'), () => api.refreshPairing(nameOf()));
  const cancelButton = button('link-cancel', t('link.cancel'), async () => {
    await cancel();
    onDone();
  });
  const doneButton = el('button', {
    type: 'button', class: 'primary', testid: 'link-done', on: { click: onDone },
  }, t('dialog.done'));

  const shown = el('div', { class: 'shown' }, canvas, codeBox, timer);
  const here = el('div', { class: 'side' }, shown, startForm);
  const there = el('div', { class: 'side' }, help, sandbox?.root);
  const root = el('div', { class: 'link', testid: 'link-panel', tabIndex: -1 },
    status, hints, offline, problems, methods.root,
    el('div', { class: 'sides' }, here, there),
    el('div', { class: 'buttons' }, refreshButton, cancelButton, doneButton));

  function button(testid, text, work) {
    const it = el('button', {
      type: 'button', testid, on: { click: () => whileBusy(it, () => tried(work)) },
    }, text);
    return it;
  }

  async function tried(work) {
    problems.replaceChildren();
    try {
      await work();
    } catch (problem) {
      problems.replaceChildren(problemBox(problem));
    }
  }

  const nameOf = () => store.get(id)?.name ?? '';

  async function cancel() {
    try {
      await api.cancelPairing(nameOf());
    } catch (problem) {
      if (problem.code !== 'not_pairing') throw problem;
    }
    asked = null;
    hasBegun = false;
  }

  function start() {
    const number = phone.input.value.trim();
    phone.setError(method === 'code' && !isPhone(number) ? t('add.phoneWrong') : '');
    if (phone.input.getAttribute('aria-invalid')) {
      phone.input.focus();
      return Promise.resolve();
    }
    return tried(async () => {
      // One attempt at a time: the one with the other method makes room.
      if (LINKING.has(store.get(id)?.status)) await cancel();
      asked = method;
      hasBegun = false;
      try {
        await api.pair(nameOf(), method, number);
      } catch (problem) {
        asked = null;
        throw problem;
      } finally {
        render();
      }
    });
  }

  /** Follows the attempt: which method it has, and whether it is over. */
  function follow(account) {
    if (!account || account.status === lastStatus) return;
    lastStatus = account.status;
    const { qrCode, pairingCode } = account.link;
    if (account.status === 'qr' && !pairingCode) asked = 'qr';
    if (account.status === 'pairing' && !qrCode) asked = 'code';
    if (asked && (account.status === 'qr' || account.status === 'pairing') && asked !== method) {
      // Where codes are refused, the QR code follows by itself.
      method = asked;
      methods.set(method);
    }
    if (LINKING.has(account.status)) hasBegun = true;
    else if (hasBegun) asked = null;
  }

  function render() {
    const account = store.get(id);
    follow(account);
    const view = linkView(account, { method, asked }, serverNow());
    root.dataset.phase = view.phase;
    setText(status, t(`link.phase.${view.phase}`, { reason: account ? reasonText(account) : '' }));
    const helpful = view.phase === 'failed' ? reasonHints(account) : [];
    if (hints.textContent !== helpful.join('')) hints.replaceChildren(...helpful.map((hint) => el('li', {}, hint)));
    show(hints, helpful.length > 0);
    show(offline, !session.isConnected());
    const isOver = ['linked', 'gone', 'accepted'].includes(view.phase);
    show(methods.root, !isOver);
    show(there, !isOver);
    show(here, Boolean(view.qr || view.code || view.canStart));
    show(shown, Boolean(view.qr || view.code));
    if (sandbox) show(sandbox.root, Boolean(view.qr || view.code));
    sandbox?.update(method);

    drawn = redraw(view.qr, drawn);
    show(canvas, view.qr !== null);
    show(codeBox, view.code !== null);
    setText(code, view.code ? groupedCode(view.code) : '');
    if (!view.code) setText(copied, '');
    show(timer, view.left !== null);
    setText(timer, view.left === null ? '' : t('link.expiresIn', { time: countdown(view.left) }));

    show(startForm, view.canStart);
    show(phone.root, method === 'code');
    setText(startButton, t(method === 'code' ? 'link.startCode' : 'link.startQr'));
    show(refreshButton, view.canRefresh);
    show(cancelButton, view.canCancel);
    show(doneButton, view.phase === 'linked' || view.phase === 'gone');

    if (steps.dataset.method !== method) {
      steps.dataset.method = method;
      steps.replaceChildren(...STEPS[method].map((step) => el('li', {}, t(`link.step.${step}`))));
      show(noPush, method === 'code');
    }
    keepFocus();
  }

  /** What had the focus may be hidden by now. */
  function keepFocus() {
    if (root.isConnected && document.activeElement === document.body) {
      (doneButton.hidden ? root : doneButton).focus({ preventScroll: true });
    }
  }

  function redraw(qr, before) {
    if (qr === before) return before;
    if (qr === null) {
      blank(canvas);
    } else {
      drawQr(canvas, qr).then(
        // It may have expired while it was decoded.
        () => (drawn === qr ? undefined : blank(canvas)),
        (error) => problems.replaceChildren(problemBox(error)),
      );
    }
    return qr;
  }

  const unsubscribe = [store.subscribe(render), session.onConnection(render)];
  const ticking = setInterval(render, 500);
  render();

  return {
    root,
    close() {
      clearInterval(ticking);
      for (const end of unsubscribe) end();
    },
  };
}
