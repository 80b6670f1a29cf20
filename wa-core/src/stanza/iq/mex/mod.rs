//! `w:mex`: GraphQL calls. A document is known to the server by its number; only variables travel.
//! Protocol: IQ catalogue, "Mex".

pub mod documents;
pub mod limits;

use std::borrow::Cow;

use serde_json::Value;

use super::{IqKind, IqRefusal, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// What a document does, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Its name in the web client.
    pub name: &'static str,
    /// Its number.
    pub id: &'static str,
}

/// A GraphQL call. Never asked twice by itself: what is a query and what changes something goes by the same name on the
/// wire.
#[derive(Debug, Clone)]
pub struct Mex {
    document: Cow<'static, str>,
    variables: String,
}

impl Mex {
    /// A call of a known operation.
    #[must_use]
    pub fn new(operation: Operation, variables: &Value) -> Self {
        Self { document: Cow::Borrowed(operation.id), variables: variables.to_string() }
    }

    /// A call of any document.
    #[must_use]
    pub fn of_document(document: &str, variables: &Value) -> Self {
        Self { document: Cow::Owned(document.to_owned()), variables: variables.to_string() }
    }
}

impl IqRequest for Mex {
    const NAMESPACE: &'static str = "w:mex";
    const KIND: IqKind = IqKind::Get;
    const IDEMPOTENT: bool = false;
    type Reply = MexReply;

    fn body(&self) -> Vec<Node> {
        let content = format!(r#"{{"variables":{}}}"#, self.variables);
        vec![Node::new("query").attr("query_id", &*self.document).bytes(content)]
    }

    fn read(reply: Reader<'_>) -> Result<MexReply, StanzaError> {
        let result = reply.child("result")?;
        MexReply::read(&result.content()).ok_or_else(|| reply.invalid("result"))
    }
}

/// What a GraphQL call, or a notification of its kind, says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MexReply {
    /// The data; null when there is none.
    pub data: Value,
    /// What went wrong.
    pub errors: Vec<MexError>,
}

/// One error of a GraphQL call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MexError {
    /// The server's words.
    pub message: String,
    /// The code, where there is one; as with other requests where it is below 1000.
    pub code: Option<u64>,
    /// It stands for all of them.
    pub is_summary: bool,
}

impl MexReply {
    /// Reads `{"data":…,"errors":[…]}`; `None` for anything else.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        let Value::Object(mut reply) = serde_json::from_slice(json).ok()? else { return None };
        let errors = reply.get("errors").and_then(Value::as_array);
        let errors = errors.into_iter().flatten().take(ERRORS_LIMIT).map(read_error).collect();
        Some(Self { data: reply.remove("data").unwrap_or_default(), errors })
    }

    /// The data, or the error that stands for all. Data beside errors counts, as long as anything is in it.
    ///
    /// # Errors
    /// The refusal; its code is 500 when the server gave none that is one.
    pub fn into_data(self) -> Result<Value, IqRefusal> {
        let has_data = match &self.data {
            Value::Null => false,
            Value::Object(fields) => self.errors.is_empty() || fields.values().any(|field| !field.is_null()),
            _ => true,
        };
        if has_data {
            return Ok(self.data);
        }
        let chosen = self.errors.iter().find(|error| error.is_summary);
        let chosen = chosen.or_else(|| self.errors.iter().find(|error| error.code.is_some()));
        let chosen = chosen.or(self.errors.first());
        let code = chosen.and_then(|error| u16::try_from(error.code?).ok()).unwrap_or(500);
        Err(IqRefusal {
            code,
            text: chosen.map(|error| error.message.clone()).unwrap_or_default(),
            backoff: None,
        })
    }
}

fn read_error(error: &Value) -> MexError {
    let extension = |name: &str| error.get("extensions").and_then(|extensions| extensions.get(name));
    MexError {
        message: error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
        code: extension("error_code").and_then(number),
        is_summary: extension("is_summary").and_then(Value::as_bool).unwrap_or_default(),
    }
}

/// A number; the server writes some of them as text.
#[must_use]
pub fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// More errors than this are not looked at.
const ERRORS_LIMIT: usize = 16;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_beside_errors_counts_when_anything_is_in_it() {
        let error = r#"{"message":"m","extensions":{"error_code":404}}"#;
        let cases = [
            (r#"{"data":{"a":1}}"#.to_owned(), Ok(json!({"a":1}))),
            (r#"{"data":{}}"#.to_owned(), Ok(json!({}))),
            (format!(r#"{{"data":{{"a":1}},"errors":[{error}]}}"#), Ok(json!({"a":1}))),
            (format!(r#"{{"data":{{"a":null}},"errors":[{error}]}}"#), Err((404, "m"))),
            (format!(r#"{{"data":null,"errors":[{error}]}}"#), Err((404, "m"))),
            (r#"{"errors":[{"message":"x"}]}"#.to_owned(), Err((500, "x"))),
            (r#"{"errors":[{"message":"x","extensions":{"error_code":70000}}]}"#.to_owned(), Err((500, "x"))),
            (r"{}".to_owned(), Err((500, ""))),
        ];
        for (text, expected) in cases {
            let data = MexReply::read(text.as_bytes()).unwrap().into_data();
            let data = data.map_err(|refusal| (refusal.code, refusal.text));
            assert_eq!(data, expected.map_err(|(code, text)| (code, text.to_owned())), "{text}");
        }
    }

    #[test]
    fn the_summary_stands_for_all_errors() {
        let text = br#"{"data":null,"errors":[{"message":"a"},
            {"message":"b","extensions":{"error_code":"403"}},
            {"message":"c","extensions":{"error_code":429,"is_summary":true}}]}"#;
        let mut reply = MexReply::read(text).unwrap();
        assert_eq!(reply.clone().into_data().unwrap_err().code, 429);
        reply.errors.pop();
        assert_eq!(reply.into_data().unwrap_err().code, 403);
    }

    #[test]
    fn what_is_no_reply_is_none() {
        for text in [&b""[..], b"[]", b"1", b"{", b"\xff", b"null"] {
            assert_eq!(MexReply::read(text), None);
        }
    }
}
