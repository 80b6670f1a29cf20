//! What lies on the media hosts.

use std::collections::{HashMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wa_core::crypto::kdf::sha256;
use wa_core::crypto::{Random as _, SystemRandom};

use super::faults::FaultList;

/// How many bytes are kept; the oldest files go first.
const CAPACITY: usize = 1 << 30;

/// The media hosts: their names, the token that they want, and the files.
#[derive(Debug)]
pub(crate) struct MediaStore {
    /// What `media_conn` names, primary first.
    pub(crate) hosts: Vec<String>,
    /// The token for uploads; another one after each `media_conn` that follows [`MediaStore::expire_auth`].
    pub(crate) auth: String,
    /// How long an answer of `media_conn` is good, seconds.
    pub(crate) ttl: u32,
    /// How often `media_conn` was asked.
    pub(crate) asked: u32,
    pub(crate) faults: FaultList,
    files: HashMap<String, File>,
    order: VecDeque<String>,
    size: usize,
    /// Uploads that broke off, by their token.
    partial: HashMap<String, Vec<u8>>,
    /// What was asked of the hosts: method, host and path.
    pub(crate) requests: Vec<String>,
}

#[derive(Debug)]
struct File {
    bytes: Vec<u8>,
    token: String,
    /// The query that proves the right to read it.
    query: String,
    is_expired: bool,
}

/// The hosts' name for the file under this path.
pub(super) fn handle_of(direct_path: &str) -> String {
    format!("{HANDLE}{}", direct_path.split('?').next().unwrap_or_default())
}

const HANDLE: &str = "handle-of-";

/// What was found under a path.
pub(crate) enum Found<'a> {
    File(&'a [u8]),
    Forbidden,
    Missing,
    Expired,
}

impl Default for MediaStore {
    fn default() -> Self {
        Self {
            hosts: vec!["mmg.test".to_owned(), "mmg-fallback.test".to_owned()],
            auth: new_auth(),
            ttl: 300,
            asked: 0,
            faults: FaultList::default(),
            files: HashMap::new(),
            order: VecDeque::new(),
            size: 0,
            partial: HashMap::new(),
            requests: Vec::new(),
        }
    }
}

impl MediaStore {
    /// Whether this is the name of a file that is there.
    pub(crate) fn knows_handle(&self, handle: &str) -> bool {
        handle.strip_prefix(HANDLE).is_some_and(|path| self.files.contains_key(path))
    }

    /// Puts a file onto the hosts; answers its path with the signature.
    pub(crate) fn put(&mut self, bytes: Vec<u8>) -> String {
        let token = token_of(&bytes);
        let mut random = [0; 12];
        SystemRandom.fill(&mut random);
        let name = URL_SAFE_NO_PAD.encode(random);
        let path = format!("/v/t62.7118-24/{name}_n.enc");
        let query =
            format!("ccb=11-4&oh=01_{}&oe=7FFFFFFF", URL_SAFE_NO_PAD.encode(SystemRandom.array::<9>()));
        let direct_path = format!("{path}?{query}");
        self.size += bytes.len();
        while self.size > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.size -= self.files.remove(&oldest).map_or(0, |file| file.bytes.len());
        }
        self.order.push_back(path.clone());
        self.files.insert(path, File { bytes, token, query, is_expired: false });
        direct_path
    }

    pub(crate) fn get(&self, path: &str, query: &str) -> Found<'_> {
        match self.files.get(path) {
            None => Found::Missing,
            Some(file) if file.is_expired => Found::Expired,
            // More may follow the signature.
            Some(file) if !query.starts_with(&file.query) => Found::Forbidden,
            Some(file) => Found::File(&file.bytes),
        }
    }

    /// A file whose whole path is known.
    pub(crate) fn read(&self, direct_path: &str) -> Option<Vec<u8>> {
        let (path, query) = direct_path.split_once('?')?;
        match self.get(path, query) {
            Found::File(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }

    /// What a phone still has of a file, whether the hosts give it or not.
    pub(crate) fn kept(&self, direct_path: &str) -> Option<Vec<u8>> {
        let path = direct_path.split('?').next().unwrap_or_default();
        self.files.get(path).map(|file| file.bytes.clone())
    }

    /// Drops the files with this token; whether there were any.
    pub(crate) fn delete(&mut self, token: &str) -> bool {
        let before = self.files.len();
        let size = &mut self.size;
        self.files.retain(|_, file| {
            let stays = file.token != token;
            if !stays {
                *size -= file.bytes.len();
            }
            stays
        });
        let files = &self.files;
        self.order.retain(|path| files.contains_key(path));
        self.files.len() < before
    }

    /// From now on this file is expired.
    pub(crate) fn expire(&mut self, direct_path: &str) -> bool {
        let path = direct_path.split('?').next().unwrap_or_default();
        self.files.get_mut(path).is_some_and(|file| {
            file.is_expired = true;
            true
        })
    }

    /// The file with this token, if it is there.
    pub(crate) fn path_of(&self, token: &str) -> Option<String> {
        let found = self.files.iter().find(|(_, file)| file.token == token && !file.is_expired);
        found.map(|(path, file)| format!("{path}?{}", file.query))
    }

    /// How much of an upload is there.
    pub(crate) fn partial(&self, token: &str) -> usize {
        self.partial.get(token).map_or(0, Vec::len)
    }

    /// What came of an upload before; the rest is behind this offset. `None` when so much did not come.
    pub(crate) fn take_partial(&mut self, token: &str, offset: usize) -> Option<Vec<u8>> {
        let mut begun = self.partial.remove(token).unwrap_or_default();
        (begun.len() >= offset).then(|| {
            begun.truncate(offset);
            begun
        })
    }

    pub(crate) fn keep_partial(&mut self, token: &str, bytes: Vec<u8>) {
        if self.partial.len() > 64 {
            self.partial.clear();
        }
        self.partial.insert(token.to_owned(), bytes);
    }

    /// The token for uploads is good no more; `media_conn` tells a new one.
    pub(crate) fn expire_auth(&mut self) {
        self.auth = new_auth();
    }
}

/// With the characters that must be encoded in a query.
fn new_auth() -> String {
    format!("AW/+{}=", base64::engine::general_purpose::STANDARD.encode(SystemRandom.array::<12>()))
}

pub(crate) fn token_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sha256(&[bytes]))
}
