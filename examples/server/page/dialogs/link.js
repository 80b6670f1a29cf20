// The dialog that links an account that is there already.

import { t } from '../i18n.js';
import { openDialog } from './dialog.js';
import { createLinkPanel } from './link_panel.js';

/** Opens it. */
export function openLink(session, id) {
  const account = session.store.get(id);
  const method = account.status === 'pairing' && !account.link.qrCode ? 'code' : 'qr';
  const panel = createLinkPanel(session, id, { method, onDone: () => dialog.close() });
  const dialog = openDialog({
    testid: 'link-dialog',
    title: t('link.title', { name: account.displayName }),
    content: panel.root,
    onClose: () => panel.close(),
  });
}
