//! Channel posts that show a file: the hosts' name for it goes with the post, also after a restart.

use std::sync::Arc;

use wa_core::client::NewsletterTerms;
use wa_core::media::MediaKind;
use wa_core::message::Content;
use wa_core::message::content::{Image, Video};
use wa_core::{Event, Message, SendError, SendOptions};
use wa_it::Companion;
use wa_store::{SqliteStore, Store};
use wa_test_server::{Direction, TestServer};
use wa_types::Jid;

/// The hosts' name that went with a post of this device.
fn handle(server: &TestServer, device: &Jid, id: &str) -> Option<String> {
    let nodes = server.nodes_of(device).into_iter();
    let mut posts = nodes.filter(|(direction, node)| {
        *direction == Direction::FromClient
            && node.tag == "message"
            && node.get("id").is_some_and(|value| value.to_text() == id)
    });
    posts.next_back().and_then(|(_, node)| node.get("media_id").map(|value| value.to_text().into_owned()))
}

#[tokio::test]
async fn a_post_with_a_file_goes_with_the_hosts_name_for_it_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.db");
    let server = TestServer::start().await;
    let (phone, bobs) = (server.phone("alice"), server.phone("bob"));
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let alice = Companion::link_with(&server, &phone, store).await;
    let mut bob = Companion::link(&server, &bobs).await;
    let channels = alice.client.newsletters();
    channels.accept_terms(NewsletterTerms::Create).await.unwrap();
    let channel = channels.create("News", None, None).await.unwrap().jid;
    bob.client.newsletters().follow(&channel).await.unwrap();
    bob.wait(|event| matches!(event, Event::Newsletter(_))).await;

    let bytes = b"a picture".repeat(99);
    let media = alice.client.media();
    let file = media.upload_for_newsletter(bytes.clone(), MediaKind::Image).await.unwrap();
    let image = || Message::from(Image::new(file.clone()).caption("today"));
    let options = || SendOptions::new().file(&file);
    let sent = alice.client.send_with(&channel, image(), options()).await.unwrap();
    assert!(sent.server_id.is_some());
    assert_eq!(handle(&server, &alice.jid, sent.id.as_str()), file.handle);
    let received = bob.message().await;
    assert_eq!((&received.id, &received.chat), (&sent.id, &channel));
    let Content::Image(shown) = received.message.content() else { panic!("no picture") };
    let got = bob.client.media().download_bytes(&shown.file, 1 << 20).await.unwrap();
    assert_eq!(got, bytes);

    // The server takes no post of a file that it cannot find, nor one without.
    let refused = alice.client.send(&channel, image()).await;
    assert_eq!(refused, Err(SendError::Refused { code: 400 }));
    let mut unknown = file.clone();
    unknown.handle = Some("nothing".to_owned());
    let refused = alice.client.send_with(&channel, image(), SendOptions::new().file(&unknown)).await;
    assert_eq!(refused, Err(SendError::Refused { code: 400 }));

    // It is stored with the post.
    let video = alice.client.media().upload_for_newsletter(bytes, MediaKind::Video).await.unwrap();
    alice.client.disconnect().await;
    let message = Message::from(Video::new(video.clone()));
    let id = alice.client.enqueue(&channel, message, SendOptions::new().file(&video)).await.unwrap();
    drop(alice.stop().await);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let alice = Companion::start(&server, store).await;
    assert_eq!(bob.message().await.id, id);
    assert_eq!(handle(&server, &alice.jid, id.as_str()), video.handle);
}
