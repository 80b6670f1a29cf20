//! Channels: made, followed, read and changed; who writes in them; what is refused.

use std::pin::Pin;

use wa_core::client::{NewsletterMute, NewsletterTerms, Page};
use wa_core::connection::RequestError;
use wa_core::event::{NewsletterEvent, NewsletterRole, NewsletterState, ReactionPolicy};
use wa_core::message::Content;
use wa_core::wire::Node;
use wa_core::{CallError, Client, Event, Message, SendError, SendOptions};
use wa_it::Companion;
use wa_types::Jid;

use crate::groups::Three;

/// The code of a refusal.
fn code<T: std::fmt::Debug>(result: Result<T, CallError>) -> u16 {
    match result {
        Err(CallError::Request(RequestError::Refused(refusal))) => refusal.code,
        other => panic!("{other:?}"),
    }
}

/// The next event about channels.
async fn heard(companion: &mut Companion) -> NewsletterEvent {
    match companion.wait(|event| matches!(event, Event::Newsletter(_))).await {
        Event::Newsletter(event) => *event,
        other => unreachable!("{other:?} is about no channel"),
    }
}

/// A message to a channel, written by hand.
fn post(newsletter: &Jid, id: &'static str, text: &str) -> Node {
    Node::new("message")
        .attr("to", newsletter)
        .attr("id", id)
        .attr("type", "text")
        .child(Node::new("plaintext").bytes(Message::text(text).encoded()))
}

#[tokio::test]
async fn a_channel_is_made_found_and_changed() {
    let mut three = Three::linked().await;
    let channels = three.alice.client.newsletters();
    channels.accept_terms(NewsletterTerms::Create).await.unwrap();
    let made = channels.create("News", Some("of today"), Some(&[0xff, 0xd8])).await.unwrap();
    assert_eq!((made.name.as_str(), made.description.as_str()), ("News", "of today"));
    assert_eq!(
        (made.role.clone(), made.state.clone()),
        (Some(NewsletterRole::Owner), NewsletterState::Active)
    );
    assert_eq!((made.subscribers, made.reactions), (Some(1), Some(ReactionPolicy::All)));
    assert!(made.picture.is_some() && made.created.is_some());
    assert!(
        matches!(heard(&mut three.alice).await, NewsletterEvent::Joined(joined) if joined.jid == made.jid)
    );

    let bob = three.bob.client.newsletters();
    let found = bob.fetch(&made.jid).await.unwrap();
    assert_eq!((found.name.as_str(), found.role), ("News", Some(NewsletterRole::Guest)));
    let link = format!("https://whatsapp.com/channel/{}", found.invite.unwrap());
    assert_eq!(bob.look_behind_link(&link).await.unwrap().jid, made.jid);
    assert_eq!(code(bob.look_behind_link("nowhere").await), 404);
    let page = bob.search("new", 10, None).await.unwrap();
    assert_eq!(page.newsletters.iter().map(|found| &found.jid).collect::<Vec<_>>(), [&made.jid]);
    assert_eq!(page.next, None);
    assert!(bob.search("old", 10, None).await.unwrap().newsletters.is_empty());
    let other = three.alice.client.newsletters().create("Weather", None, None).await.unwrap();
    let first = bob.recommended(1).await.unwrap();
    assert_eq!((first.newsletters.len(), first.next.as_deref()), (1, Some("1")));
    let second = bob.search("", 1, first.next.as_deref()).await.unwrap();
    assert_eq!((&second.newsletters[0].jid, second.next), (&other.jid, None));

    // Followed, muted, and no more.
    bob.follow(&made.jid).await.unwrap();
    assert!(matches!(heard(&mut three.bob).await, NewsletterEvent::Joined(joined) if joined.jid == made.jid));
    let bob = three.bob.client.newsletters();
    bob.mute(&made.jid, NewsletterMute::Posts, true).await.unwrap();
    assert!(matches!(heard(&mut three.bob).await, NewsletterEvent::Muted(muted) if muted.mutes_posts));
    let bob = three.bob.client.newsletters();
    let followed = bob.subscribed().await.unwrap();
    assert_eq!(
        followed.iter().map(|found| (&found.jid, found.mutes_posts)).collect::<Vec<_>>(),
        [(&made.jid, true)]
    );
    bob.mute(&made.jid, NewsletterMute::Posts, false).await.unwrap();

    // Its admins change it; who follows hears of it.
    assert_eq!(code(bob.set_name(&made.jid, "Mine").await), 403);
    let channels = three.alice.client.newsletters();
    channels.set_name(&made.jid, "Old news").await.unwrap();
    assert_eq!(code(channels.set_name(&made.jid, &"x".repeat(101)).await), 406);
    channels.set_description(&made.jid, "of yesterday").await.unwrap();
    channels.set_picture(&made.jid, None).await.unwrap();
    channels.set_reactions(&made.jid, ReactionPolicy::Basic).await.unwrap();
    loop {
        if let NewsletterEvent::Changed { newsletter, operation } = heard(&mut three.bob).await {
            assert_eq!(
                (newsletter, operation.as_str()),
                (Some(made.jid.clone()), "NotificationNewsletterUpdate")
            );
            break;
        }
    }
    let bob = three.bob.client.newsletters();
    let found = bob.fetch(&made.jid).await.unwrap();
    assert_eq!((found.name.as_str(), found.description.as_str()), ("Old news", "of yesterday"));
    assert_eq!((found.picture, found.reactions), (None, Some(ReactionPolicy::Basic)));

    assert_eq!(code(bob.delete(&made.jid).await), 403);
    bob.unfollow(&made.jid).await.unwrap();
    assert_eq!(code(bob.unfollow(&made.jid).await), 404);
    loop {
        if let NewsletterEvent::Left { newsletter } = heard(&mut three.bob).await {
            assert_eq!(newsletter, made.jid);
            break;
        }
    }
    let channels = three.alice.client.newsletters();
    assert_eq!(code(channels.unfollow(&made.jid).await), 405, "the owner hands it over, or deletes it");
    channels.delete(&made.jid).await.unwrap();
    assert_eq!(code(channels.fetch(&made.jid).await), 404);
}

#[tokio::test]
async fn posts_are_read_page_by_page_and_what_becomes_of_them_is_heard() {
    let mut three = Three::linked().await;
    let made = three.alice.client.newsletters().create("News", None, None).await.unwrap().jid;
    three.bob.client.newsletters().follow(&made).await.unwrap();
    for (id, text) in [("P1", "one"), ("P2", "two"), ("P3", "three")] {
        three.alice.client.raw().send(post(&made, id, text)).await.unwrap();
        let message = three.bob.message().await;
        assert_eq!((message.chat, message.message.as_text()), (made.clone(), Some(text)));
        assert!(message.post.is_some());
    }
    let bob = three.bob.client.newsletters();
    let texts = |posts: &[wa_core::event::NewsletterPost]| -> Vec<String> {
        posts.iter().map(|post| post.message.as_ref().unwrap().as_text().unwrap().to_owned()).collect()
    };
    let last = bob.posts(&made, 2, Page::Last).await.unwrap();
    assert_eq!(texts(&last), ["two", "three"]);
    let before = bob.posts(&made, 2, Page::Before(last[0].number)).await.unwrap();
    assert_eq!(texts(&before), ["one"]);
    let after = bob.posts(&made, 1, Page::After(before[0].number)).await.unwrap();
    assert_eq!(texts(&after), ["two"]);
    assert!(bob.posts(&made, 5, Page::Before(before[0].number)).await.unwrap().is_empty());
    assert_eq!(before[0].id.as_ref().map(|id| id.as_str()), Some("P1"));
    assert!(
        !before[0].from_me
            && three.alice.client.newsletters().posts(&made, 1, Page::Last).await.unwrap()[0].from_me
    );

    // Who asked for it hears of reactions and views.
    let number = last[1].number;
    let wanted_for = three.alice.client.newsletters().subscribe(&made).await.unwrap();
    assert!(!wanted_for.is_zero());
    three.bob.client.newsletters().react(&made, number, Some("👍")).await.unwrap();
    let posts = loop {
        if let NewsletterEvent::Posts { newsletter, posts } = heard(&mut three.alice).await {
            assert_eq!(newsletter, made);
            break posts;
        }
    };
    assert_eq!((posts[0].number, &posts[0].reactions[..]), (number, &[("👍".to_owned(), 1)][..]));
    assert_eq!(posts[0].message, None, "what it says is known");
    three.bob.client.newsletters().mark_viewed(&made, &[number]).await.unwrap();
    let NewsletterEvent::Posts { posts, .. } = heard(&mut three.alice).await else { panic!("another event") };
    assert_eq!(posts[0].views, Some(1));
    three.bob.client.newsletters().react(&made, number, None).await.unwrap();
    let NewsletterEvent::Posts { posts, .. } = heard(&mut three.alice).await else { panic!("another event") };
    assert!(posts[0].reactions.is_empty());
    let updates = three.bob.client.newsletters().updates(&made, 1, Page::Last).await.unwrap();
    assert_eq!((updates[0].number, updates[0].views), (number, Some(1)));

    // Whoever may not post is refused, and nobody sees it.
    three.bob.client.raw().send(post(&made, "P4", "mine")).await.unwrap();
    let refused = |node: &Node| {
        node.tag == "ack"
            && node.get("id").is_some_and(|id| id.to_text() == "P4")
            && node.get("error").is_some_and(|error| error.to_text() == "403")
    };
    three.server.wait_for(&three.bob.jid, wa_test_server::Direction::ToClient, refused).await;
    assert_eq!(three.bob.client.newsletters().posts(&made, 10, Page::Last).await.unwrap().len(), 3);
}

#[tokio::test]
async fn posts_are_sent_edited_and_deleted_in_order() {
    let mut three = Three::linked().await;
    let made = three.alice.client.newsletters().create("News", None, None).await.unwrap().jid;
    three.bob.client.newsletters().follow(&made).await.unwrap();
    let alice = &three.alice.client;
    let sent = alice.send(&made, Message::text("one")).await.unwrap();
    let received = three.bob.message().await;
    assert_eq!((received.post, received.message.as_text()), (sent.server_id, Some("one")));
    assert!(sent.server_id.is_some());
    assert_eq!((&received.chat, &received.id), (&made, &sent.id));
    assert_eq!(received.message.encoded(), Message::text("one").encoded(), "without secret and context");

    // Changes go under the same id: each waits for the one before, also when an answer is lost.
    three.server.faults_of(&three.alice.jid).drop_ack(1);
    for message in [Message::edit(&sent, Message::text("two")), Message::edit(&sent, Message::text("three"))]
    {
        alice.enqueue(&made, message, SendOptions::new()).await.unwrap();
    }
    three.server.disconnect(&three.alice.jid);
    alice.send(&made, Message::delete(&sent)).await.unwrap();
    for text in ["two", "three"] {
        let received = three.bob.message().await;
        assert_eq!((&received.id, received.target()), (&sent.id, Some(received.key())));
        let Content::Edit(edit) = received.message.content() else { panic!("no edit") };
        assert_eq!(edit.message.as_text(), Some(text));
    }
    let received = three.bob.message().await;
    assert!(matches!(received.message.content(), Content::Revoke(_)));
    assert_eq!(received.target(), Some(received.key()));
    let posts = three.bob.client.newsletters().posts(&made, 2, Page::Last).await.unwrap();
    assert_eq!((posts.len(), &posts[0].message), (1, &None));

    // Who only follows may not write.
    let refused = three.bob.client.send(&made, Message::text("mine")).await;
    assert!(matches!(refused, Err(SendError::Refused { code: 403 })), "{refused:?}");
}

#[tokio::test]
async fn admins_are_invited_demoted_and_own_it() {
    let three = Three::linked().await;
    let [_, bob, carol] = three.phones.each_ref().map(|phone| phone.lid().clone());
    let channels = three.alice.client.newsletters();
    let made = channels.create("News", None, None).await.unwrap().jid;
    for client in [&three.bob.client, &three.carol.client] {
        client.newsletters().follow(&made).await.unwrap();
    }
    assert_eq!(code(three.bob.client.newsletters().accept_admin_invite(&made).await), 404);
    assert!(channels.invite_admin(&made, &bob).await.unwrap().expires.is_some());
    channels.invite_admin(&made, &carol).await.unwrap();
    assert_eq!(channels.pending_admins(&made).await.unwrap().len(), 2);
    channels.revoke_admin_invite(&made, &carol).await.unwrap();
    assert_eq!(code(channels.revoke_admin_invite(&made, &carol).await), 404);
    three.bob.client.newsletters().accept_admin_invite(&made).await.unwrap();
    assert!(channels.pending_admins(&made).await.unwrap().is_empty());
    assert_eq!(code(channels.invite_admin(&made, &bob).await), 409);
    assert_eq!(channels.admin_count(&made).await.unwrap(), 2);
    assert_eq!(code(three.carol.client.newsletters().admin_count(&made).await), 403);
    let followers = channels.followers(&made, 10).await.unwrap();
    let role = |user: &Jid| followers.iter().find(|one| one.user == *user).and_then(|one| one.role.clone());
    assert_eq!((role(&bob), role(&carol)), (Some(NewsletterRole::Admin), Some(NewsletterRole::Subscriber)));
    assert!(followers.iter().all(|one| one.phone_number.is_some() && one.since.is_some()));

    assert_eq!(code(channels.transfer(&made, &carol).await), 406, "she is no admin");
    channels.transfer(&made, &bob).await.unwrap();
    assert_eq!(channels.fetch(&made).await.unwrap().role, Some(NewsletterRole::Admin));
    assert_eq!(code(channels.delete(&made).await), 403);
    let alice = three.phones[0].lid();
    three.bob.client.newsletters().demote_admin(&made, alice).await.unwrap();
    assert_eq!(channels.fetch(&made).await.unwrap().role, Some(NewsletterRole::Subscriber));
}

type Call = for<'c> fn(&'c Client, Jid) -> Pin<Box<dyn Future<Output = Result<(), CallError>> + Send + 'c>>;

macro_rules! calls {
    ($($client:ident, $newsletter:pat => $call:expr;)*) => {
        [$((stringify!($call), (|$client, $newsletter| Box::pin(async move { $call.await.map(drop) })) as Call)),*]
    };
}

#[tokio::test]
async fn every_call_says_that_the_server_refused_it() {
    let three = Three::linked().await;
    let client = &three.alice.client;
    let made = client.newsletters().create("News", None, None).await.unwrap().jid;
    let by_graphql = calls! {
        c, _ => c.newsletters().create("x", None, None);
        c, n => c.newsletters().fetch(&n);
        c, _ => c.newsletters().look_behind_link("x");
        c, _ => c.newsletters().subscribed();
        c, _ => c.newsletters().search("x", 1, None);
        c, _ => c.newsletters().recommended(1);
        c, n => c.newsletters().follow(&n);
        c, n => c.newsletters().unfollow(&n);
        c, n => c.newsletters().mute(&n, NewsletterMute::Followers, true);
        c, n => c.newsletters().set_name(&n, "x");
        c, n => c.newsletters().set_description(&n, "x");
        c, n => c.newsletters().set_picture(&n, None);
        c, n => c.newsletters().set_reactions(&n, ReactionPolicy::None);
        c, n => c.newsletters().delete(&n);
        c, n => c.newsletters().invite_admin(&n, &Jid::lid("1"));
        c, n => c.newsletters().revoke_admin_invite(&n, &Jid::lid("1"));
        c, n => c.newsletters().accept_admin_invite(&n);
        c, n => c.newsletters().demote_admin(&n, &Jid::lid("1"));
        c, n => c.newsletters().transfer(&n, &Jid::lid("1"));
        c, n => c.newsletters().admin_count(&n);
        c, n => c.newsletters().pending_admins(&n);
        c, n => c.newsletters().followers(&n, 1);
    };
    let by_iq = calls! {
        c, n => c.newsletters().posts(&n, 1, Page::Last);
        c, n => c.newsletters().updates(&n, 1, Page::Last);
        c, n => c.newsletters().subscribe(&n);
    };
    let terms = calls! { c, _ => c.newsletters().accept_terms(NewsletterTerms::Follow); };
    for (namespace, calls) in [("w:mex", &by_graphql[..]), ("newsletter", &by_iq[..]), ("tos", &terms[..])] {
        for (name, call) in calls {
            three.server.faults_of(&three.alice.jid).refuse_request(namespace, 429);
            assert_eq!(code(call(client, made.clone()).await), 429, "{name}");
        }
    }
    // What GraphQL itself answers with is a refusal, too.
    assert_eq!(code(client.newsletters().fetch(&Jid::new("1", wa_types::Server::Newsletter)).await), 404);
    assert!(client.newsletters().fetch(&made).await.is_ok(), "nothing was done");
}
