// The cards of the accounts. A card is made once and changed in place, so that focus and open menus stay.

import { accountAction, restrictionOf } from './account_action.js';
import { serverNow } from './clock.js';
import { el, freshId, setText, show, whileBusy } from './dom.js';
import { ago, dateTime } from './format.js';
import { language, t } from './i18n.js';
import { initial } from './inputs.js';
import { createMenu } from './menu.js';
import { reasonText, restrictionText, statusText } from './status_text.js';

/** The grid in `list`. `selection` is the set of chosen ids, `onSelect` hears of changes. */
export function createCards({ list, actions, selection, onSelect }) {
  const cards = new Map();
  return {
    /** Shows these accounts, in this order: those that changed, or all of them anew. */
    render(accounts, { isAnew = true } = {}) {
      const ids = new Set(accounts.map((account) => account.id));
      for (const [id, card] of cards) {
        if (!ids.has(id)) {
          const hadFocus = card.root.contains(document.activeElement);
          card.root.remove();
          cards.delete(id);
          if (hadFocus) document.getElementById('main').focus();
        }
      }
      accounts.forEach((account, at) => {
        let card = cards.get(account.id);
        if (!card) {
          card = createCard({ id: account.id, actions, selection, onSelect });
          cards.set(account.id, card);
        }
        if (isAnew || card.account() !== account) card.update(account);
        if (list.children[at] !== card.root) list.insertBefore(card.root, list.children[at] ?? null);
      });
    },
  };
}

/** One of six colours: the same for an account at all times. */
function hueOf(id) {
  return [...id].reduce((sum, character) => (sum * 31 + character.codePointAt(0)) % 65_521, 7) % 6;
}

function createCard({ id, actions, selection, onSelect }) {
  let account = null;
  const titleId = freshId('card');

  const chosen = el('input', {
    type: 'checkbox', testid: 'card-select',
    on: {
      change() {
        if (chosen.checked) selection.add(id);
        else selection.delete(id);
        onSelect();
      },
    },
  });
  const avatar = el('span', { class: 'avatar', 'aria-hidden': 'true', testid: 'card-avatar' });
  const title = el('h3', { id: titleId, testid: 'card-title' });
  const phone = el('p', { class: 'phone', testid: 'card-phone' });
  const badge = el('span', { class: 'badge', testid: 'card-status' });
  const reason = el('p', { class: 'reason', testid: 'card-reason' });
  const trust = el('span', { class: 'chip', testid: 'card-trust' });
  const used = el('meter', { min: 0, 'aria-hidden': 'true' });
  const restriction = el('p', { class: 'restriction', testid: 'card-restriction' });
  const active = el('p', { class: 'active', testid: 'card-active' });
  const battery = el('p', { class: 'battery', testid: 'card-battery' });

  const works = {
    start: () => actions.start(account),
    stop: () => actions.stop(account),
    link: () => actions.link(account),
    show: () => actions.link(account),
  };
  const button = el('button', {
    type: 'button', class: 'action', testid: 'card-action',
    on: { click: () => whileBusy(button, () => works[button.dataset.action]()) },
  });
  const menu = createMenu({
    testid: 'card-menu',
    items: [
      { testid: 'menu-open-chat', isLink: true, choose: (event) => actions.openChat(account, event) },
      { testid: 'menu-disconnect', choose: () => actions.disconnect(account) },
      { testid: 'menu-settings', choose: () => actions.settings(account) },
      { testid: 'menu-delete', choose: () => actions.delete(account) },
    ],
  });

  const root = el('li', { class: 'card', testid: 'card' },
    el('article', { 'aria-labelledby': titleId },
      el('header', {}, chosen, avatar, el('div', { class: 'names' }, title, phone), menu.root),
      el('div', { class: 'state' }, badge, reason),
      el('div', { class: 'trust' }, trust, used, restriction),
      el('footer', {}, el('div', {}, active, battery), button)));

  return {
    root,
    account: () => account,
    update(now) {
      account = now;
      const { name, displayName, status } = account;
      root.dataset.name = name;
      root.dataset.id = id;
      root.dataset.status = status;
      root.dataset.seq = account.seq;
      root.dataset.version = account.version;
      chosen.checked = selection.has(id);
      root.classList.toggle('selected', chosen.checked);
      chosen.setAttribute('aria-label', t('card.select', { name: displayName }));
      setText(avatar, initial(displayName));
      avatar.dataset.hue = hueOf(id);
      setText(title, displayName);
      title.title = name;
      setText(phone, account.phoneNumber ? `+${account.phoneNumber}` : t('card.noPhone'));

      badge.dataset.status = status;
      setText(badge, statusText(account));
      const why = reasonText(account);
      setText(reason, why);
      reason.title = account.reason?.detail ?? '';
      show(reason, why !== '');

      const { trustLevel, dailyLimit, messagesSentToday, restrictions } = account.trust;
      setText(trust, t('card.trust', { level: trustLevel, used: messagesSentToday, limit: dailyLimit }));
      trust.dataset.level = trustLevel;
      used.max = Math.max(1, dailyLimit);
      // Green up to here, amber up to the limit, red at it.
      used.optimum = 0;
      used.low = used.max * 0.8;
      used.high = used.max - 0.5;
      used.value = Math.min(messagesSentToday, used.max);
      const forbidden = restrictionOf(restrictions);
      setText(restriction, forbidden ? restrictionText(forbidden) : '');
      show(restriction, forbidden !== null);

      setText(active, account.lastActiveAt
        ? t('card.lastActive', { ago: ago(account.lastActiveAt, serverNow(), language()) })
        : t('card.neverActive'));
      active.title = account.lastActiveAt ? dateTime(account.lastActiveAt, language()) : '';
      show(battery, account.battery !== null);
      if (account.battery !== null) setText(battery, t('card.battery', { percent: account.battery }));

      const action = accountAction(account);
      button.dataset.action = action;
      const isShown = status === 'qr' || status === 'pairing';
      setText(button, t(action === 'show' && !isShown ? 'card.progress' : `card.${action}`));
      button.setAttribute('aria-label', t(`card.${action}Of`, { name: displayName }));
      menu.update(t('card.menu', { name: displayName }), [
        {
          text: t('card.openChat'),
          href: account.phoneNumber && `https://wa.me/${encodeURIComponent(account.phoneNumber)}`,
          isPossible: Boolean(account.phoneNumber),
        },
        { text: t('card.disconnect'), isPossible: account.isLoggedIn },
        { text: t('card.settings') },
        { text: t('card.delete') },
      ]);
    },
  };
}
