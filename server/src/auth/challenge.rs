//! Challenges that a device answers with a signature.
//!
//! The server keeps none of them: a challenge carries its time and proves by a MAC that this server issued it to this
//! device. That each works once is written on the device's row ([`crate::storage::devices::record_proof`]).

use aws_lc_rs::hmac;
use sync_core::{
    ids::{DeviceId, OrgId},
    time::Timestamp,
};

use super::{Keys, Purpose};
use crate::seam::Seam;

/// How long a challenge may be answered.
pub const CHALLENGE_MS: i64 = 60_000;
/// How far the clock of the node that issued it may be ahead.
const AHEAD_MS: i64 = 30_000;

/// Stands before what is signed, so that the signature is good for nothing else.
const PROOF_CONTEXT: &[u8] = b"fieldpool token v1";
/// The same for the confirmation that everything on the device is gone.
const WIPED_CONTEXT: &[u8] = b"fieldpool wiped v1";
const MAC_CONTEXT: &[u8] = b"fieldpool challenge v1";
const RANDOM_LEN: usize = 8;
const MAC_LEN: usize = 16;
/// Time, random bytes and MAC; the id of the key follows.
const FIXED_LEN: usize = 8 + RANDOM_LEN + MAC_LEN;
const KID_LEN_MAX: usize = 16;

/// What a device signs with its key: context, its id, the challenge.
#[must_use]
pub fn proof_message(device: DeviceId, challenge: &[u8]) -> Vec<u8> {
    [PROOF_CONTEXT, device.as_bytes(), challenge].concat()
}

/// What a device signs with its key when everything on it is gone.
#[must_use]
pub fn wiped_message(device: DeviceId, challenge: &[u8]) -> Vec<u8> {
    [WIPED_CONTEXT, device.as_bytes(), challenge].concat()
}

/// A new challenge for a device. Made for unknown devices too: whether there is one is nobody's business here.
pub(crate) fn make_challenge(keys: &Keys, seam: &Seam, org: OrgId, device: DeviceId) -> Vec<u8> {
    let key = keys.current(Purpose::Challenge);
    let mut challenge = seam.now().0.to_be_bytes().to_vec();
    challenge.extend(seam.random::<RANDOM_LEN>());
    let mac = mac(&key.secret, org, device, &challenge);
    challenge.extend(&mac.as_ref()[..MAC_LEN]);
    challenge.extend(key.kid.as_bytes());
    challenge
}

/// When the challenge was issued, if this server issued it to this device and its time is not over.
pub(crate) fn check_challenge(
    keys: &Keys,
    now: Timestamp,
    org: OrgId,
    device: DeviceId,
    challenge: &[u8],
) -> Option<Timestamp> {
    if challenge.len() > FIXED_LEN + KID_LEN_MAX {
        return None;
    }
    let (fixed, kid) = challenge.split_at_checked(FIXED_LEN)?;
    let (covered, tag) = fixed.split_at(FIXED_LEN - MAC_LEN);
    let key = keys.find(Purpose::Challenge, std::str::from_utf8(kid).ok()?, now)?;
    let expected = mac(&key.secret, org, device, covered);
    aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..MAC_LEN], tag).ok()?;
    let issued_at = Timestamp(i64::from_be_bytes(covered[..8].try_into().ok()?));
    let age_ms = now.since_ms(issued_at);
    (-AHEAD_MS..=CHALLENGE_MS).contains(&age_ms).then_some(issued_at)
}

fn mac(secret: &[u8], org: OrgId, device: DeviceId, covered: &[u8]) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(
        &key,
        &[MAC_CONTEXT, org.as_bytes(), device.as_bytes(), covered].concat(),
    )
}
