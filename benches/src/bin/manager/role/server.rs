//! The test server, on loopback.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::runtime::Runtime;
use wa_benches::usage::Mark;
use wa_benches::{Fallible, say};
use wa_test_server::{Config, TestServer};

use crate::phone;

/// Writes into a file what clients need to know of it, as `wa-test-server --json` tells it, and tells where its phones
/// scan. Then its phones write, and it tells what it used since it was last asked.
pub(crate) fn server(file: &str) -> Fallible<()> {
    let runtime = Runtime::new()?;
    // Phones are tasks.
    let _guard = runtime.enter();
    let config = Config { journal: 0, ref_lists: 10, ..Config::default() };
    let server = runtime.block_on(TestServer::with(config));
    let endpoint = runtime.block_on(server.listen_with_admin("127.0.0.1:0", false))?;
    let media = runtime.block_on(server.media().listen("127.0.0.1"))?;
    let description = json!({
        "url": endpoint.url,
        "root_key": hex::encode(endpoint.root.public_key.as_bytes()),
        "media_certificate": STANDARD.encode(&media.tls_certificate),
    });
    std::fs::write(Path::new(file), description.to_string())?;
    say(&endpoint.address.to_string())?;
    let mut mark = Mark::now();
    for line in std::io::stdin().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["usage"] => {
                say(&mark.used(mark.wall()).to_string())?;
                mark = Mark::now();
            }
            // A text to each of so many accounts, from one who is a stranger to all.
            ["write", count] => {
                let writer = server.phone("writer");
                for number in 0..count.parse()? {
                    let to = server.phone(&phone(number)).pn().clone();
                    runtime.block_on(writer.send_text(&to, "hello"))?;
                }
                say("written")?;
            }
            _ => return Err(format!("unknown command {line}").into()),
        }
    }
    Ok(())
}
