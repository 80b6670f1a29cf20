//! Link previews: fetched from pages on the public internet, which here is a small server, and from nowhere else.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wa_core::Message;
use wa_core::client::{LinkPreviewError, LinkPreviews, Route};
use wa_core::media::Attachment;
use wa_core::media::probe;
use wa_core::message::content::Content;
use wa_core::transport::{TlsRoots, TransportFuture};
use wa_it::Companion;
use wa_test_server::TestServer;

/// A PNG of one red pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xDE\0\0\0\x0CIDAT\
    x\x9Cc\xF8\xCF\xC0\0\0\x03\x01\x01\0\xC9\xFE\x92\xEF\0\0\0\0IEND\xAEB`\x82";

/// An internet of names with addresses, where behind every public address is the same small server.
#[derive(Debug)]
struct Internet {
    server: SocketAddr,
    names: BTreeMap<&'static str, Mutex<Vec<Vec<&'static str>>>>,
    /// Whom somebody connected to.
    reached: Mutex<Vec<SocketAddr>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Internet {
    /// Each name has lists of addresses, one for each time that it is asked for; the last one stays.
    async fn new(
        names: &[(&'static str, &[&[&'static str]])],
        pages: &[(&'static str, Vec<u8>)],
    ) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let pages: BTreeMap<_, _> = pages.iter().cloned().collect();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (pages, heard) = (pages.clone(), Arc::clone(&heard));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    let head = String::from_utf8(head).unwrap();
                    heard.lock().unwrap().push(head.clone());
                    let path = head.split(' ').nth(1).unwrap();
                    match pages.get(path) {
                        Some(answer) => drop(stream.write_all(answer).await),
                        // Nothing comes, and the connection stays.
                        None => std::future::pending().await,
                    }
                });
            }
        });
        let names = names.iter().map(|(name, answers)| {
            (*name, Mutex::new(answers.iter().map(|addresses| addresses.to_vec()).collect()))
        });
        Arc::new(Self { server, names: names.collect(), reached: Mutex::default(), requests })
    }

    fn previews(self: &Arc<Self>) -> LinkPreviews {
        LinkPreviews::new(&TlsRoots::none()).with_route(Arc::<Self>::clone(self))
    }

    fn reached(&self) -> Vec<String> {
        self.reached.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

impl Route for Internet {
    fn resolve<'a>(&'a self, host: &'a str) -> TransportFuture<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let mut answers = self.names.get(host).ok_or(std::io::ErrorKind::NotFound)?.lock().unwrap();
            let next = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
            Ok(next.iter().map(|address| address.parse().unwrap()).collect())
        })
    }

    fn connect(&self, address: SocketAddr) -> TransportFuture<'_, TcpStream> {
        self.reached.lock().unwrap().push(address);
        Box::pin(TcpStream::connect(self.server))
    }
}

fn answer(kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

const PUBLIC: &[&[&str]] = &[&["93.184.215.14"]];

#[tokio::test]
async fn a_preview_is_fetched_and_sent_with_its_picture() {
    let page = b"<title>no</title><meta property=og:title content='Cats &amp; more'>\
        <meta property=og:description content='All of them'><meta property=og:image content='pic.png'>";
    let internet = Internet::new(
        &[("cats.example", PUBLIC), ("www.cats.example", &[&["10.0.0.1", "2606:4700::1"]])],
        &[
            ("/a?b", redirect("http://www.cats.example:8080/c/")),
            ("/c/", answer("text/html; charset=utf-8", page)),
            ("/c/pic.png", answer("image/png", PNG)),
        ],
    )
    .await;
    let server = TestServer::start().await;
    let (alice_phone, bob_phone) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &alice_phone).await;
    let mut bob = Companion::link(&server, &bob_phone).await;

    let text = "look: http://cats.example/a?b#c.";
    let preview = alice.client.media().link_preview(&internet.previews(), text).await.unwrap().unwrap();
    alice.client.send(bob_phone.pn(), Message::link(text, preview)).await.unwrap();

    let message = bob_phone.next_message().await.message.extended_text_message.unwrap();
    assert_eq!((message.text(), message.matched_text()), (text, "http://cats.example/a?b#c"));
    assert_eq!((message.title(), message.description()), ("Cats & more", "All of them"));
    assert_eq!(probe::picture(message.jpeg_thumbnail()).unwrap().mimetype, "image/jpeg");
    let picture = bob_phone.download(&Attachment::link_thumbnail(&message).unwrap()).unwrap();
    assert_eq!(probe::picture(&picture).unwrap().mimetype, "image/jpeg");
    assert_eq!((message.thumbnail_width, message.thumbnail_height), (Some(1), Some(1)));
    let Content::Text(text) = bob.message().await.message.content() else { panic!("a text") };
    assert_eq!(text.link.unwrap().title.as_deref(), Some("Cats & more"));
    // The private address of the name was left out.
    assert_eq!(internet.reached(), ["93.184.215.14:80", "[2606:4700::1]:8080", "[2606:4700::1]:8080"]);
    let requests = internet.requests.lock().unwrap();
    assert!(requests[0].contains("host: cats.example\r\n"), "{}", requests[0]);
    assert!(requests[1].contains("host: www.cats.example:8080\r\n"), "{}", requests[1]);
}

#[tokio::test]
async fn nothing_private_is_connected_to_not_even_by_a_redirect_or_a_name_that_changes() {
    let page = b"<title>t</title><meta property=og:image content='http://inside.example/secret.png'>";
    let internet = Internet::new(
        &[
            ("out.example", PUBLIC),
            ("inside.example", &[&["192.168.1.1", "fd00::1", "::ffff:127.0.0.1"]]),
            ("rebinding.example", &[&["93.184.215.14"], &["127.0.0.1"]]),
        ],
        &[
            ("/to-name", redirect("http://inside.example/")),
            ("/to-number", redirect("http://169.254.169.254/latest/meta-data/")),
            ("/to-itself", redirect("/again")),
            ("/again", answer("text/html", page)),
            ("/page", answer("text/html", page)),
        ],
    )
    .await;
    let previews = internet.previews();
    for (url, reached) in [
        ("http://127.0.0.1/", 0),
        ("http://[::1]:8080/", 0),
        ("http://[::ffff:10.0.0.1]/", 0),
        ("https://100.64.0.1/", 0),
        ("http://inside.example/", 0),
        ("http://out.example/to-name", 1),
        ("http://out.example/to-number", 1),
        ("http://rebinding.example/to-itself", 1),
    ] {
        let before = internet.reached().len();
        let error = previews.fetch(url).await.unwrap_err();
        assert!(matches!(error, LinkPreviewError::PrivateAddress), "{url}: {error:?}");
        assert_eq!(internet.reached().len() - before, reached, "{url}");
    }
    assert!(internet.reached().iter().all(|address| address == "93.184.215.14:80"));
    // Nor for a picture: the preview is without.
    let preview = previews.fetch("http://out.example/page").await.unwrap().unwrap();
    assert!(preview.picture.is_none() && preview.link.thumbnail.is_none());
    assert!(internet.reached().iter().all(|address| address == "93.184.215.14:80"));
}

#[tokio::test]
async fn what_is_no_preview_ends_with_the_reason() {
    let large = [b"<title>t</title>".to_vec(), vec![b' '; 3 << 20]].concat();
    let late = [vec![b' '; 1 << 20], b"<title>t</title>".to_vec()].concat();
    let bomb = b"<title>t</title><meta property=og:image content=/bomb>";
    let internet = Internet::new(
        &[("a.example", PUBLIC)],
        &[
            ("/loop", redirect("/loop")),
            ("/script", redirect("javascript:alert(1)")),
            ("/file", redirect("file:///etc/passwd")),
            ("/gone", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()),
            ("/pdf", answer("application/pdf", b"%PDF")),
            ("/empty", answer("text/html", b"<p>hello")),
            ("/late", answer("text/html", &late)),
            ("/broken", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n<".to_vec()),
            ("/large", answer("text/html", &large)),
            ("/bombed", answer("text/html", bomb)),
            ("/bomb", answer("image/png", &vec![0; 6 << 20])),
        ],
    )
    .await;
    let previews = internet.previews();
    for (path, expected) in [
        ("/loop", "Redirects"),
        ("/script", "Url"),
        ("/file", "Url"),
        ("/gone", "Status { status: 404 }"),
        ("/pdf", "Nothing"),
        ("/empty", "Nothing"),
        ("/late", "Nothing"),
        ("/broken", "Network"),
    ] {
        let error = previews.fetch(&format!("http://a.example{path}")).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{path}: {error:?}");
    }
    assert!(matches!(previews.fetch("http://nobody.example").await, Err(LinkPreviewError::Network(_))));
    let slow = previews.clone().with_time_limit(Duration::from_millis(50));
    assert!(matches!(slow.fetch("http://a.example/silence").await, Err(LinkPreviewError::Slow)));
    // A long page is read as far as it goes, and a picture that is too large is left out.
    for path in ["/large", "/bombed"] {
        let preview = previews.fetch(&format!("http://a.example{path}")).await.unwrap().unwrap();
        assert_eq!((preview.link.title.as_deref(), preview.picture), (Some("t"), None));
    }
    assert!(previews.fetch("no link").await.unwrap().is_none());
}
