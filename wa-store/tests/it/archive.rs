//! What an archive keeps, finds and lets go; the same of both kinds.

use std::sync::Arc;

use wa_store::MessageKey;
use wa_store::archive::{
    Archive, ArchiveEntry, ArchiveLimits, ArchivedChat, ArchivedContact, ArchivedMessage, MemoryArchive, Page,
};
use wa_types::{Jid, MessageId, UnixSeconds};

/// Both kinds, and the directory of one.
async fn both(limits: ArchiveLimits) -> (Vec<Arc<dyn Archive>>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let archives: Vec<Arc<dyn Archive>> = vec![
        Arc::new(MemoryArchive::new(limits)),
        #[cfg(feature = "sqlite")]
        Arc::new(
            wa_store::archive::SqliteArchive::open(directory.path().join("archive"), limits).await.unwrap(),
        ),
    ];
    (archives, directory)
}

fn message(chat: &str, number: u64, text: &str) -> ArchivedMessage {
    ArchivedMessage {
        key: MessageKey {
            chat: Jid::pn(chat),
            sender: Jid::pn(chat),
            id: MessageId::new(format!("{number:04}")),
        },
        from_me: false,
        at: UnixSeconds(1_700_000_000 + number),
        text: Some(text.to_owned()),
        encoded: text.as_bytes().to_vec(),
        edited: None,
        is_revoked: false,
    }
}

fn ids(messages: &[ArchivedMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.key.id.as_str()).collect()
}

#[tokio::test]
async fn what_is_put_in_is_found_page_by_page() {
    for archive in both(ArchiveLimits::default()).await.0 {
        let all: Vec<_> = (0..10).map(|number| message("1", number, "x")).collect();
        // In any order, and more than once.
        for part in [&all[5..], &all[..7]] {
            archive.put(part.iter().cloned().map(ArchiveEntry::Message).collect()).await.unwrap();
        }
        archive.put(vec![ArchiveEntry::Message(message("2", 99, "y"))]).await.unwrap();
        let chat = Jid::pn("1");
        let page = archive.messages(&chat, Page::Newest, 4).await.unwrap();
        assert_eq!(ids(&page), ["0009", "0008", "0007", "0006"]);
        let page = archive.messages(&chat, Page::before(&page[3]), 4).await.unwrap();
        assert_eq!(ids(&page), ["0005", "0004", "0003", "0002"]);
        let page = archive.messages(&chat, Page::after(&page[0]), 9).await.unwrap();
        assert_eq!(ids(&page), ["0006", "0007", "0008", "0009"]);
        let chats = archive.chats(None, 1).await.unwrap();
        assert_eq!(chats[0].jid, Jid::pn("2"));
        let chats = archive.chats(Some(&chats[0]), 9).await.unwrap();
        assert_eq!((chats.len(), &chats[0].jid), (1, &chat));
        assert_eq!(archive.message(&all[3].key).await.unwrap().as_ref(), Some(&all[3]));
    }
}

#[tokio::test]
async fn words_are_found_by_their_beginnings() {
    for archive in both(ArchiveLimits::default()).await.0 {
        let texts = ["Grüße aus Lisbon", "the lisbon train \"leaves\"", "nothing", "trains AND leaves"];
        let entries = texts.iter().zip(0..).map(|(text, number)| message("1", number, text));
        archive.put(entries.map(ArchiveEntry::Message).collect()).await.unwrap();
        let search = async |words: &str| {
            archive
                .search(words, None, 9)
                .await
                .unwrap()
                .into_iter()
                .map(|one| one.key.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(search("LISB").await, ["0001", "0000"].map(MessageId::new));
        assert_eq!(search("train leaves").await, ["0003", "0001"].map(MessageId::new));
        assert_eq!(search("\"lisbon* OR nothing").await, [] as [MessageId; 0]);
        assert_eq!(search("grüße").await, ["0000"].map(MessageId::new));
        assert!(search(" -*\" ").await.is_empty());
        assert!(archive.search("lisbon", Some(&Jid::pn("2")), 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn edits_and_deletions_count_whatever_comes_after() {
    for archive in both(ArchiveLimits::default()).await.0 {
        let one = message("1", 1, "first");
        let MessageKey { chat, sender, id } = one.key.clone();
        let edit = |at, text: &str| ArchiveEntry::Edited {
            chat: chat.clone(),
            sender: sender.clone(),
            id: id.clone(),
            at: UnixSeconds(at),
            text: Some(text.to_owned()),
            encoded: text.as_bytes().to_vec(),
        };
        let put = async |entries| archive.put(entries).await.unwrap();
        put(vec![ArchiveEntry::Message(one.clone()), edit(20, "third"), edit(10, "second")]).await;
        put(vec![ArchiveEntry::Message(one.clone())]).await;
        let kept = archive.message(&one.key).await.unwrap().unwrap();
        assert_eq!((kept.text.as_deref(), kept.edited), (Some("third"), Some(UnixSeconds(20))));
        assert_eq!(archive.search("first", None, 9).await.unwrap().len(), 0);
        assert_eq!(archive.search("third", None, 9).await.unwrap().len(), 1);
        // Somebody else's edit is of no message.
        let other = ArchiveEntry::Revoked { chat: chat.clone(), sender: Jid::pn("9"), id: id.clone() };
        put(vec![other]).await;
        assert!(!archive.message(&one.key).await.unwrap().unwrap().is_revoked);
        put(vec![
            ArchiveEntry::Revoked { chat: chat.clone(), sender: sender.clone(), id: id.clone() },
            edit(30, "x"),
        ])
        .await;
        let kept = archive.message(&one.key).await.unwrap().unwrap();
        assert_eq!((kept.is_revoked, kept.text, kept.encoded.len()), (true, None, 0));
        assert_eq!(archive.search("third", None, 9).await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn no_more_is_kept_than_the_limits_say() {
    let mut limits = ArchiveLimits::default();
    limits.messages_per_chat = Some(3);
    limits.not_before = Some(UnixSeconds(1_700_000_002));
    limits.message_bytes = Some(10);
    for archive in both(limits).await.0 {
        let mut entries: Vec<_> = (0..8).rev().map(|number| message("1", number, "word")).collect();
        entries.push(message("1", 9, "far more than ten bytes"));
        entries.push(message("2", 1, "old"));
        archive.put(entries.into_iter().map(ArchiveEntry::Message).collect()).await.unwrap();
        let kept = archive.messages(&Jid::pn("1"), Page::Newest, 99).await.unwrap();
        assert_eq!(ids(&kept), ["0007", "0006", "0005"]);
        assert_eq!(archive.search("word", None, 99).await.unwrap().len(), 3);
        assert!(archive.messages(&Jid::pn("2"), Page::Newest, 99).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn chats_that_are_one_and_what_is_known_of_users_come_together() {
    for archive in both(ArchiveLimits::default()).await.0 {
        let (kept, gone) = (Jid::pn("1"), Jid::pn("2"));
        let name = ArchivedChat { jid: gone.clone(), name: Some("Bob".to_owned()), at: UnixSeconds(5) };
        let contact = |name: Option<&str>, push_name: Option<&str>| {
            let [name, push_name] = [name, push_name].map(|text| text.map(str::to_owned));
            ArchiveEntry::Contact(ArchivedContact { user: kept.clone(), name, push_name })
        };
        archive
            .put(vec![
                ArchiveEntry::Message(message("1", 1, "one")),
                ArchiveEntry::Message(message("2", 2, "two")),
                ArchiveEntry::Chat(name),
                contact(Some("Bob B."), None),
                contact(None, Some("bobby")),
                ArchiveEntry::Merged { kept: kept.clone(), gone: gone.clone() },
            ])
            .await
            .unwrap();
        assert_eq!(ids(&archive.messages(&kept, Page::Newest, 9).await.unwrap()), ["0002", "0001"]);
        assert!(archive.messages(&gone, Page::Newest, 9).await.unwrap().is_empty());
        let chats = archive.chats(None, 9).await.unwrap();
        assert_eq!((chats.len(), chats[0].name.as_deref()), (1, Some("Bob")));
        let known = archive.contacts(&[gone, kept]).await.unwrap();
        let contact = known[1].as_ref().unwrap();
        assert!(known[0].is_none());
        assert_eq!((contact.name.as_deref(), contact.push_name.as_deref()), (Some("Bob B."), Some("bobby")));
    }
}
