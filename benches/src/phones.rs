//! The phones of a test server in another process.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::Fallible;

/// Lets a phone of the test server at `admin` (`host:port`) scan a code: the one of this name, or of the name that the
/// client gave when it connected. Blocks until the companion is linked.
///
/// # Errors
/// The server is not there, or refuses.
pub fn scan(admin: &str, phone: Option<&str>, qr: &str) -> Fallible<()> {
    let phone = phone.map(|name| format!("?phone={name}")).unwrap_or_default();
    let mut stream = TcpStream::connect(admin)?;
    write!(
        stream,
        "POST /admin/mock-phone/scan-qr{phone} HTTP/1.1\r\nHost: {admin}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{qr}",
        qr.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 2") { Ok(()) } else { Err(answer.into()) }
}
