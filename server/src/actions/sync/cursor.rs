//! The cursor: where a device stands in the log. Opaque to it, encrypted and bound to it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use sync_core::ids::{CustomerId, DeviceId, LogId, OrgId};

use crate::{
    auth::{Keys, Purpose},
    seam::Seam,
};

/// Grants that are still to be delivered: everything in the viewer's scopes that came after `since`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Backfill {
    /// Rights are compared with those right after this place.
    pub(super) since: i64,
    /// Members that came after this place belong to a later backfill.
    pub(super) upto: i64,
    /// Where it stands; none before it has begun.
    pub(super) position: Option<Position>,
}

/// The last customer delivered: scope by its number in the viewer's order, then newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Number of the scope.
    pub(super) scope: u16,
    /// Place at which the customer came into it.
    pub(super) from_seq: i64,
    /// The customer.
    pub(super) customer: CustomerId,
}

impl Position {
    /// Whether a customer at `other` comes later in the order of delivery.
    pub(super) fn precedes(&self, other: &Self) -> bool {
        let key = |position: &Self| {
            (
                position.scope,
                std::cmp::Reverse(position.from_seq),
                std::cmp::Reverse(position.customer),
            )
        };
        key(self) < key(other)
    }
}

/// Where a device stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The log.
    pub(super) log: LogId,
    /// Everything up to this place has been delivered, but for the backfills.
    pub(super) seq: i64,
    /// Version of the viewer's rights that the backfills' order goes by.
    pub(super) acl_version: i64,
    /// Grants still to be delivered: at most one that has begun, then one that has not.
    pub(super) backfills: Vec<Backfill>,
    /// Customers delivered by backfills so far.
    pub(super) delivered: u32,
    /// Once as many were delivered as a device holds: the last of them. Nothing that stands behind it is sent.
    pub(super) boundary: Option<Position>,
}

impl Cursor {
    /// Before everything in a log.
    pub(super) fn at_start(log: LogId) -> Self {
        Self {
            log,
            seq: 0,
            acl_version: 0,
            backfills: Vec::new(),
            delivered: 0,
            boundary: None,
        }
    }
}

/// Writes a cursor that only this device can present.
pub(super) fn seal(keys: &Keys, seam: &Seam, org: OrgId, device: DeviceId, cursor: &Cursor) -> Vec<u8> {
    let key = keys.current(Purpose::Cursor);
    let nonce: [u8; NONCE_LEN] = seam.random();
    let mut sealed = postcard::to_stdvec(cursor).unwrap_or_default();
    let Some(cipher) = cipher(&key.secret) else {
        return Vec::new();
    };
    let bound = binding(org, device);
    if cipher
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut sealed)
        .is_err()
    {
        return Vec::new();
    }
    let kid = key.kid.as_bytes();
    let mut cursor = Vec::with_capacity(1 + kid.len() + NONCE_LEN + sealed.len());
    cursor.push(u8::try_from(kid.len()).unwrap_or(0));
    cursor.extend_from_slice(kid);
    cursor.extend_from_slice(&nonce);
    cursor.extend_from_slice(&sealed);
    cursor
}

/// Reads a cursor of this device; none if it is another's, forged, or of a key that is gone.
pub(super) fn open(keys: &Keys, seam: &Seam, org: OrgId, device: DeviceId, cursor: &[u8]) -> Option<Cursor> {
    let (&kid_len, rest) = cursor.split_first()?;
    let (kid, rest) = rest.split_at_checked(usize::from(kid_len))?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
    let key = keys.find(Purpose::Cursor, std::str::from_utf8(kid).ok()?, seam.now())?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut sealed = sealed.to_vec();
    let plain = cipher(&key.secret)?
        .open_in_place(nonce, Aad::from(binding(org, device)), &mut sealed)
        .ok()?;
    postcard::from_bytes(plain).ok()
}

fn cipher(secret: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, secret.get(..32)?)
        .ok()
        .map(LessSafeKey::new)
}

fn binding(org: OrgId, device: DeviceId) -> [u8; 32] {
    let mut bound = [0; 32];
    bound[..16].copy_from_slice(org.as_bytes());
    bound[16..].copy_from_slice(device.as_bytes());
    bound
}
