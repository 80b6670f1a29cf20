// The rows of the server's database, read from a copy: the server keeps its file to itself.

import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

// Node.js reads no SQLite by itself in all the versions that these tests run on.
const READ = `
import json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute("""SELECT name, status, seq, (SELECT json_extract(data, '$.status') FROM event
    WHERE event.account = account.id AND kind = 'account.status' ORDER BY event.seq DESC LIMIT 1) FROM account""")
print(json.dumps({name: {"status": status, "seq": seq, "last": last or "idle"} for name, status, seq, last in rows}))
`;

/** Status and number of each account by its name, and the last status in its log. The copy may be torn: then it fails. */
export async function rows(server) {
  const directory = await mkdtemp(join(tmpdir(), 'wa-rows-e2e-'));
  try {
    for (const name of ['manager.db', 'manager.db-wal']) await copyFile(join(server.data, name), join(directory, name));
    const { stdout } = await promisify(execFile)('python3', ['-c', READ, join(directory, 'manager.db')]);
    return JSON.parse(stdout);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
