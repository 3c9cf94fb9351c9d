//! What the routes of the JSON API take: ids in paths, parameters of lists, cursors.

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    actions::{ActionError, Code},
    http::Problem,
};

/// Characters of a filter or of words looked for.
const TEXT_CHARS_MAX: usize = 200;
/// Hexadecimal digits of a cursor: the longest name a customer may have and an id.
const CURSOR_DIGITS_MAX: usize = 4_096;
/// Characters of a reason: what a document's paragraph holds.
const REASON_CHARS_MAX: usize = 500;
/// Items of a page if nobody says.
pub(in crate::http) const PAGE_DEFAULT: u32 = 50;
/// Items of a page at most.
pub(in crate::http) const PAGE_MAX: u32 = 200;

/// The id in a path. What is no id names nothing: it is answered like an id that nobody has.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Id(pub(in crate::http) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Code::NotFound)?;
        Uuid::parse_str(&text).map(Self).map_err(|_| Code::NotFound.into())
    }
}

/// The parameters of a query string. One that the route does not know is refused, so that a misspelt filter never
/// silently shows everything.
#[derive(Debug)]
pub(in crate::http) struct Params<T>(pub(in crate::http) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(ActionError::invalid(rejection.body_text()).into()),
        }
    }
}

/// A text parameter: bounded, without control characters; empty is absent.
pub(in crate::http) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(D::Error::custom(format!(
            "a text has at most {TEXT_CHARS_MAX} characters"
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(D::Error::custom("a text has no control characters"));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// How many items a page has.
pub(in crate::http) fn page_limit(limit: Option<u32>) -> Result<i64, ActionError> {
    match limit.unwrap_or(PAGE_DEFAULT) {
        limit @ 1..=PAGE_MAX => Ok(i64::from(limit)),
        _ => Err(ActionError::invalid(format!("limit: ask for 1 to {PAGE_MAX} items"))),
    }
}

/// Writes a cursor: opaque to its bearer, who learns nothing from it that the page did not say.
pub(in crate::http) fn write_cursor(parts: &[&[u8]]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(part);
    }
    hex::encode(bytes)
}

/// Reads the bytes of a cursor.
pub(in crate::http) fn read_cursor(text: &str) -> Result<Vec<u8>, ActionError> {
    if text.len() > CURSOR_DIGITS_MAX {
        return Err(bad_cursor());
    }
    hex::decode(text).map_err(|_| bad_cursor())
}

/// The answer to a cursor that this server did not make.
pub(in crate::http) fn bad_cursor() -> ActionError {
    ActionError::invalid("after: send the `next` of the page before, unchanged; or leave it out to begin anew")
}

/// A reason for a decision.
pub(in crate::http) fn reason(text: String) -> Result<String, ActionError> {
    if text.chars().count() > REASON_CHARS_MAX || text.contains('\0') {
        return Err(ActionError::invalid(format!(
            "reason: at most {REASON_CHARS_MAX} characters"
        )));
    }
    Ok(text)
}

type Object = Map<String, Value>;

/// The fields of a document to be written: `{"fields": {…}}`, or the fields themselves.
///
/// `beside` names what else the body may hold; that is given back apart.
pub(in crate::http) fn split_fields(
    mut body: Map<String, Value>,
    beside: &[&str],
) -> Result<(Object, Object), ActionError> {
    let mut others = Map::new();
    for name in beside {
        if let Some(value) = body.remove(*name) {
            others.insert((*name).to_owned(), value);
        }
    }
    match body.remove("fields") {
        Some(Value::Object(fields)) => match body.keys().next() {
            Some(stray) => Err(ActionError::invalid(format!("{stray}: fields go inside \"fields\""))),
            None => Ok((fields, others)),
        },
        Some(_) => Err(ActionError::invalid("fields: send an object of fields and values")),
        None => Ok((body, others)),
    }
}
