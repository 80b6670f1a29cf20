// The page: signs in with a key, shows the accounts, keeps them true.

import { createActions } from './actions.js';
import { createApi } from './api.js';
import { createBatch } from './batch.js';
import { createCards } from './cards.js';
import { hearTime } from './clock.js';
import { openAdd } from './dialogs/add.js';
import { setText, show, whileBusy } from './dom.js';
import { language, onLanguage, setLanguage, t, translate } from './i18n.js';
import { problemBox } from './problem.js';
import { createSocket } from './socket.js';
import { createStore } from './store.js';

const byId = (id) => document.getElementById(id);

/** Accounts are asked for again no more often than this: the server counts requests. */
const REFRESH_EVERY = 2000;
/** Texts like "5 minutes ago" are made anew so often. */
const RENDER_EVERY = 30_000;

let session = null;

function start() {
  byId('language').value = language();
  byId('language').addEventListener('change', (event) => setLanguage(event.target.value));
  onLanguage(() => {
    translate(document);
    showConnection();
    session?.render();
  });
  translate(document);
  showConnection();

  byId('sign-in-form').addEventListener('submit', (event) => {
    event.preventDefault();
    whileBusy(event.submitter ?? event.target, signIn);
  });
  byId('sign-out').addEventListener('click', () => signOut());
  byId('retry').addEventListener('click', () => session?.socket.hurry());
  byId('add').addEventListener('click', () => session && openAdd(session));
  addEventListener('online', () => session?.socket.hurry());
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') session?.socket.hurry();
  });
  setInterval(showConnection, 1000);
  setInterval(() => session?.render(), RENDER_EVERY);
  byId('key').focus();
}

async function signIn() {
  const key = byId('key').value.trim();
  const error = byId('sign-in-error');
  error.replaceChildren();
  if (!key) {
    error.textContent = t('signIn.empty');
    byId('key').focus();
    return;
  }
  const api = createApi({ key, base: document.baseURI, language });
  try {
    const [accounts, phones] = await Promise.all([api.list(), api.phones().catch(() => [])]);
    byId('key').value = '';
    session = createSession(api, phones);
    session.store.takeSnapshots(accounts);
    show(byId('sign-in'), false);
    show(byId('accounts'), true);
    show(byId('sign-out'), true);
    session.socket.connect();
    byId('main').focus();
  } catch (problem) {
    error.replaceChildren(problemBox(problem));
    byId('key').select();
  }
}

/** Forgets the key and all accounts; `problem` tells why, where it was not wished. */
function signOut(problem = null) {
  const ended = session;
  session = null;
  ended?.end();
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
  show(byId('sign-in'), true);
  show(byId('accounts'), false);
  show(byId('sign-out'), false);
  byId('sign-in-error').replaceChildren(...(problem ? [problemBox(problem)] : []));
  showConnection();
  byId('key').focus();
}

/** What belongs to one key, from signing in to signing out. */
function createSession(api, phones) {
  const store = createStore();
  const selection = new Set();
  const watchers = new Set();
  let connection = { state: 'connecting', retryAt: null };
  let isRendering = false;
  let refreshTimer = null;
  let isRefreshing = false;
  let hasEnded = false;

  const it = {
    api,
    store,
    phones,
    connection: () => connection,
    isConnected: () => connection.state === 'connected',
    /** Calls back when the connection is lost or there again; returns what ends that. */
    onConnection(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    /** Asks for all accounts. */
    async refresh() {
      const mark = store.mark();
      const accounts = await api.list();
      if (!hasEnded) store.takeSnapshots(accounts, mark);
    },
    render,
    end() {
      hasEnded = true;
      clearTimeout(refreshTimer);
      it.socket.close();
      store.clear();
      cards.render([]);
      selection.clear();
      batch.render([]);
    },
  };

  const actions = createActions(it);
  const cards = createCards({ list: byId('cards'), actions, selection, onSelect: render });
  const batch = createBatch({ actions, selection, onChange: render });

  it.socket = createSocket({
    ticket: api.ticket,
    address(ticket) {
      const url = new URL('ws', document.baseURI);
      url.protocol = url.protocol.replace('http', 'ws');
      url.searchParams.set('ticket', ticket);
      return url;
    },
    onFrame(frame) {
      hearTime(frame.ts);
      store.takeFrame(frame);
    },
    onState(state, retryAt = null) {
      connection = { state, retryAt };
      showConnection();
      for (const watcher of [...watchers]) watcher();
    },
    onRefused: signOut,
  });
  store.subscribe(renderSoon);

  function renderSoon() {
    if (isRendering || hasEnded) return;
    isRendering = true;
    requestAnimationFrame(() => {
      isRendering = false;
      if (!hasEnded) render({ isAnew: false });
    });
    refreshSoon();
  }

  /** Shows what is stored; `isAnew` all of it, where the language, the time or the selection changed. */
  function render({ isAnew = true } = {}) {
    const accounts = store.all();
    cards.render(accounts, { isAnew });
    batch.render(accounts);
    setText(byId('count'), String(accounts.length));
    show(byId('empty'), accounts.length === 0);
  }

  /** Asks for what frames do not tell: settings, and accounts that are new. */
  function refreshSoon(wait = 50) {
    if (refreshTimer || isRefreshing || !store.isStale()) return;
    refreshTimer = setTimeout(async () => {
      refreshTimer = null;
      isRefreshing = true;
      try {
        await it.refresh();
      } catch {
        // The connection's state tells that the server is not reached; it is tried again.
      } finally {
        isRefreshing = false;
        if (!hasEnded) refreshSoon(REFRESH_EVERY);
      }
    }, wait);
  }

  render();
  return it;
}

/** Says whether what is shown is live. */
function showConnection() {
  const { state, retryAt } = session ? session.connection() : { state: 'signed-out', retryAt: null };
  const badge = byId('connection');
  badge.dataset.state = state;
  setText(badge, t(`connection.${state}`));
  const isLost = state === 'waiting' || (state === 'connecting' && byId('accounts').classList.contains('stale'));
  show(byId('banner'), isLost);
  byId('accounts').classList.toggle('stale', isLost);
  const seconds = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const again = retryAt === null ? '' : ` ${t('connection.again', { seconds })}`;
  setText(byId('banner-text'), t('connection.banner') + again);
}

start();
