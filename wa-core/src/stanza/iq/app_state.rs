//! `w:sync:app:state`: collections of the shared state are fetched and written. Protocol: app state, "Sync IQ".

use super::{IqKind, IqRequest, Reader, StanzaError};
use crate::wire::Node;

/// How many patches one answer may have.
const PATCHES: usize = 10_000;

/// Asks for collections, and writes to some.
#[derive(Debug, Clone)]
pub struct SyncCollections {
    /// Each collection once.
    pub collections: Vec<CollectionRequest>,
}

/// What is asked about one collection.
#[derive(Debug, Clone)]
pub struct CollectionRequest {
    /// Its name.
    pub name: &'static str,
    /// The last version here; none is none.
    pub version: Option<u64>,
    /// Whether the whole collection is wanted.
    pub wants_snapshot: bool,
    /// An encoded `SyncdPatch` to write.
    pub patch: Option<Vec<u8>>,
}

/// What the server has of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionAnswer {
    /// Its name.
    pub name: String,
    /// The code of a refusal; 409 when what was to be written is not on top of the newest version.
    pub error: Option<u16>,
    /// Whether there are more patches than these.
    pub has_more: bool,
    /// The encoded reference to a snapshot.
    pub snapshot: Option<Vec<u8>>,
    /// Encoded patches.
    pub patches: Vec<Vec<u8>>,
    /// The version that it has, where the server tells.
    pub version: Option<u64>,
}

impl IqRequest for SyncCollections {
    const NAMESPACE: &'static str = "w:sync:app:state";
    const KIND: IqKind = IqKind::Set;
    // A patch that was written already is a conflict, and comes back in the answer to it.
    const IDEMPOTENT: bool = true;
    type Reply = Vec<CollectionAnswer>;

    fn body(&self) -> Vec<Node> {
        let collections = self.collections.iter().map(|one| {
            Node::new("collection")
                .attr("name", one.name)
                .attr_opt("version", one.version.map(|version| version.to_string()))
                .attr("return_snapshot", if one.wants_snapshot { "true" } else { "false" })
                .children(one.patch.clone().map(|patch| Node::new("patch").bytes(patch)))
        });
        vec![Node::new("sync").children(collections)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        reply.child("sync")?.children_of("collection").map(read_collection).collect()
    }
}

fn read_collection(collection: Reader<'_>) -> Result<CollectionAnswer, StanzaError> {
    let error = collection.attr_is("type", "error").then(|| {
        let error = collection.child_opt("error");
        error.and_then(|error| error.number_opt("code").ok().flatten()).unwrap_or(0)
    });
    let listed = collection.child_opt("patches");
    let listed = listed.iter().flat_map(|patches| patches.children_of("patch"));
    let patches = listed.chain(collection.children_of("patch")).map(|patch| patch.content().into_owned());
    let patches: Vec<Vec<u8>> = patches.take(PATCHES + 1).collect();
    if patches.len() > PATCHES {
        return Err(collection.invalid("patches"));
    }
    Ok(CollectionAnswer {
        name: collection.text("name")?.into_owned(),
        error,
        has_more: collection.attr_is("has_more_patches", "true"),
        snapshot: collection.child_opt("snapshot").map(|snapshot| snapshot.content().into_owned()),
        patches,
        version: collection.number_opt("version").ok().flatten(),
    })
}
