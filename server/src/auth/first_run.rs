//! The word that lets somebody set a new server up: derived from a key of the server, so that it is the same after a
//! restart and on every node, and nobody who cannot read the server's log knows it.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};

use super::{Keys, Purpose, to_base64url};

const CONTEXT: &[u8] = b"fieldpool setup v1";
/// Of the MAC: far beyond guessing, and short enough to be typed.
const BYTES: usize = 12;

/// The word.
#[must_use]
pub fn setup_token(keys: &Keys) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &keys.current(Purpose::Challenge).secret);
    to_base64url(&hmac::sign(&key, CONTEXT).as_ref()[..BYTES])
}

/// Whether somebody knows the word.
#[must_use]
pub fn check_setup_token(keys: &Keys, token: &str) -> bool {
    verify_slices_are_equal(setup_token(keys).as_bytes(), token.trim().as_bytes()).is_ok()
}
