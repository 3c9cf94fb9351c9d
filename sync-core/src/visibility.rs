//! Who may see and write what: one rule for server, phones, searches, exports and late work.
//!
//! The questions are answered in this order, each by one pure function:
//! which scopes a person has ([`viewer_scopes`]), which scopes contain a customer ([`customer_scopes`]), what the
//! person therefore is to the customer ([`relations`]), what that gives per kind of document ([`class_rights`], by
//! the table in [`Policy`]) and for one document ([`document_access`]). [`access`] is the last two in one call.
//! Scopes and relations taken from rows of an earlier sequence number give the rights of that time.
//!
//! Promises: the rights of several relations are their union, a relation more never takes a right away, and whatever
//! is unknown or missing gives nothing. It does not know how scopes are stored or when rows of them begin and end.

mod membership;
mod policy;
mod relation;
mod rights;
mod scope;
mod viewer;

pub use membership::{
    CustomerFacts, Memberships, ViewerScope, customer_scopes, document_scopes, relations, viewer_scopes,
};
pub use policy::{Cell, OutOfBounds, PastPolicy, Policies, Policy};
pub use relation::{Relation, RelationSet, UnknownRelation};
pub use rights::{ClassRights, DocumentFacts, Rights, Target, access, class_rights, document_access};
pub use scope::{FEED_KEY_LEN, InvalidScope, SCOPE_LEN, Scope, View, document_feeds, feed_key, feeds_of};
pub use viewer::{Role, UnknownRole, UnknownUserState, UserState, Viewer, may_read};
