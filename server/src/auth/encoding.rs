//! Bytes as text: base64url in tokens, hex or base64 from phones.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

/// Base64url without padding.
#[must_use]
pub fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Bytes of a token's part; nothing else than base64url without padding will do.
pub(super) fn from_base64url(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Exactly `N` bytes written in hex, base64 or base64url.
#[must_use]
pub fn parse_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = if text.len() == 2 * N {
        hex::decode(text).ok()?
    } else {
        STANDARD.decode(text).ok().or_else(|| from_base64url(text.as_bytes()))?
    };
    bytes.try_into().ok()
}
