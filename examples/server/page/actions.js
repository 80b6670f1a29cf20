// What can be done with accounts, from a card, its menu or the batch bar: asks where it cannot be undone, tells what
// came of it. That the status changed is told by the socket.

import { el } from './dom.js';
import { confirm } from './dialogs/confirm.js';
import { openLink } from './dialogs/link.js';
import { openSettings } from './dialogs/settings.js';
import { t } from './i18n.js';
import { attempt, tell, tellDone } from './notices.js';
import { describe } from './problem.js';

/** The actions, on what one key may do. */
export function createActions(session) {
  const { api, store } = session;

  const act = (work) => attempt(async () => {
    await work();
    // Without the socket nobody else tells what came of it.
    if (!session.isConnected()) await session.refresh();
  });

  async function many(call, ids) {
    const names = ids.map((id) => store.get(id)?.name).filter(Boolean);
    const { items } = await call(names);
    const failed = items.filter((item) => !item.ok);
    if (failed.length === 0) {
      tellDone(t('batch.done', { done: items.length }));
    } else {
      tell(
        el('p', {}, t('batch.some', { done: items.length - failed.length, failed: failed.length })),
        el('ul', { testid: 'batch-failed' }, failed.map((item) => el('li', {}, `${titleOf(item.name)}: ${failure(item.error)}`))),
      );
    }
    return items;
  }

  const titleOf = (name) => store.byName(name)?.displayName || name;

  return {
    start: (account) => act(() => api.start(account.name)),
    stop: (account) => act(() => api.stop(account.name)),
    link: (account) => openLink(session, account.id),
    settings: (account) => attempt(async () => {
      const snapshot = await api.get(account.name);
      store.takeSnapshots([snapshot]);
      openSettings(session, snapshot);
    }),

    /** Lets the page around this one open the chat (`wa-open-chat`); otherwise the link itself does. */
    openChat(account, event) {
      const detail = { id: account.id, name: account.name, phoneNumber: account.phoneNumber };
      const asked = new CustomEvent('wa-open-chat', { detail, bubbles: true, cancelable: true });
      if (!document.dispatchEvent(asked)) event.preventDefault();
    },

    disconnect: (account) => confirm({
      testid: 'logout-dialog',
      title: t('logout.title', { name: account.displayName }),
      text: t('logout.text'),
      submit: t('logout.submit'),
      // A phone that cannot be told keeps the device in its list; whoever asks for it decides.
      force: { on: 'not_unlinked', text: t('logout.force') },
      async work({ force }) {
        await api.logout(account.name, { force });
        tellDone(t('logout.done', { name: account.displayName }));
        if (!session.isConnected()) await session.refresh();
      },
    }),

    delete: (account) => confirm({
      testid: 'delete-dialog',
      title: t('delete.title', { name: account.displayName }),
      text: t('delete.text'),
      submit: t('delete.submit'),
      force: { on: 'not_unlinked', text: t('delete.force') },
      async work({ force }) {
        await api.delete(account.name, { force });
        store.forget(account.id);
        tellDone(t('delete.done', { name: account.displayName }));
      },
    }),

    startMany: (ids) => act(() => many(api.batchStart, ids)),
    stopMany: (ids) => act(() => many(api.batchStop, ids)),
    deleteMany: (ids) => confirm({
      testid: 'batch-delete-dialog',
      title: t('batchDelete.title', { count: ids.length }),
      text: t('batchDelete.text'),
      list: ids.map((id) => store.get(id)?.displayName).filter(Boolean),
      submit: t('delete.submit'),
      async work() {
        const items = await many(api.batchDelete, ids);
        for (const item of items) {
          const account = item.ok && store.byName(item.name);
          if (account) store.forget(account.id);
        }
      },
    }),
  };
}

function failure(error) {
  if (typeof error === 'string') return error;
  const { title, detail } = describe(error ?? {});
  return detail ? `${title} ${detail}` : title;
}
