//! What was posted in channels, and what becomes of it.

use std::time::Duration;

use wa_types::Jid;

use super::Newsletters;
use crate::driver::command::Job;
use crate::error::CallError;
use crate::event::NewsletterPost;
pub use crate::stanza::iq::newsletter::Page;
use crate::stanza::iq::newsletter::{FetchPostUpdates, FetchPosts, SubscribeLive};
use crate::stanza::newsletter::PostStanza;
use crate::wire::Node;

impl Newsletters<'_> {
    /// Posts of a channel, oldest first, at most so many. To go back, ask for those [before](Page::Before) the first one.
    ///
    /// # Errors
    /// [`CallError`]; 404.
    pub async fn posts(
        &self,
        newsletter: &Jid,
        count: u32,
        page: Page,
    ) -> Result<Vec<NewsletterPost>, CallError> {
        let request = FetchPosts { newsletter: newsletter.clone(), count, page };
        Ok(own(self.client.ask(request).await?))
    }

    /// What became of posts: reactions, views, edits; without what they say.
    ///
    /// # Errors
    /// [`CallError`]; 404.
    pub async fn updates(
        &self,
        newsletter: &Jid,
        count: u32,
        page: Page,
    ) -> Result<Vec<NewsletterPost>, CallError> {
        let request = FetchPostUpdates { newsletter: newsletter.clone(), count, page };
        Ok(own(self.client.ask(request).await?))
    }

    /// Wants to be told what becomes of posts, as [`NewsletterEvent::Posts`](crate::event::NewsletterEvent::Posts), for
    /// the time that it returns; ask again before it is over, and after a lost connection.
    ///
    /// # Errors
    /// [`CallError`]; 404.
    pub async fn subscribe(&self, newsletter: &Jid) -> Result<Duration, CallError> {
        self.client.ask(SubscribeLive { newsletter: newsletter.clone() }).await
    }

    /// Reacts to a post, by its number; without an emoji the reaction is taken back.
    ///
    /// # Errors
    /// [`CallError`] when it could not be told. `Ok` says that it was handed to the connection: a channel that does not
    /// take it keeps its counts as they were.
    pub async fn react(&self, newsletter: &Jid, post: u64, emoji: Option<&str>) -> Result<(), CallError> {
        let (newsletter, emoji) = (newsletter.clone(), emoji.map(str::to_owned));
        self.client.call(|reply| Job::React { newsletter, post, emoji, reply }).await?
    }

    /// Tells a channel that these posts were seen, by their numbers: it counts views.
    ///
    /// # Errors
    /// [`CallError`] when it could not be told; the server does not answer.
    pub async fn mark_viewed(&self, newsletter: &Jid, posts: &[u64]) -> Result<(), CallError> {
        for posts in posts.chunks(VIEWS_LIMIT) {
            let Some(first) = posts.first() else { continue };
            let items = posts.iter().map(|number| Node::new("item").attr("server_id", *number));
            let receipt = Node::new("receipt")
                .attr("to", newsletter)
                .attr("id", *first)
                .attr("type", "view")
                .child(Node::new("list").children(items));
            self.client.tell(receipt).await?;
        }
        Ok(())
    }
}

fn own(posts: Vec<PostStanza>) -> Vec<NewsletterPost> {
    posts.into_iter().map(NewsletterPost::from).collect()
}

/// How many posts one receipt names.
const VIEWS_LIMIT: usize = 256;
