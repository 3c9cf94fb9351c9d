//! From a message to bytes and back: postcard inside one zstd frame, with every limit checked before memory is taken.

use serde::{Serialize, de::DeserializeOwned};

use super::limits::{
    BODY_DECODED_BYTES_MAX, BODY_ENCODED_BYTES_MAX, LARGE_BYTES, ZSTD_LEVEL, ZSTD_LEVEL_LARGE, ZSTD_WINDOW_LOG_MAX,
};

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Larger than the limit, as it travels or unpacked.
    #[error("the message is larger than the limit of 4 MB, or of 16 MB unpacked; send fewer changes at once")]
    TooLarge,
    /// Not one whole zstd frame with a window of at most 8 MiB.
    #[error("the message is not one zstd frame with a window of at most 8 MiB")]
    Compression,
    /// Not a message of this protocol version.
    #[error("the message does not follow protocol version 1")]
    Malformed,
}

impl FrameError {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Compression | Self::Malformed => "malformed",
        }
    }
}

/// Writes a message.
///
/// # Panics
/// Never for the messages of this crate: postcard can write them all, and zstd all bytes.
#[must_use]
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    Encoder::default().encode(message)
}

/// Writes messages one after the other in the same working memory: making that anew costs more than a small message
/// does.
pub struct Encoder(zstd::bulk::Compressor<'static>);

impl Default for Encoder {
    /// # Panics
    /// Where memory ends.
    fn default() -> Self {
        Self(zstd::bulk::Compressor::new(ZSTD_LEVEL).expect("the level is one that zstd has"))
    }
}

impl Encoder {
    /// Writes a message, the same bytes as [`encode`].
    ///
    /// # Panics
    /// As [`encode`].
    #[must_use]
    pub fn encode<T: Serialize>(&mut self, message: &T) -> Vec<u8> {
        let plain = postcard::to_stdvec(message).expect("messages hold nothing that postcard cannot write");
        let level = if plain.len() < LARGE_BYTES {
            ZSTD_LEVEL
        } else {
            ZSTD_LEVEL_LARGE
        };
        self.0
            .set_compression_level(level)
            .expect("the level is one that zstd has");
        self.0.compress(&plain).expect("zstd compresses any bytes")
    }
}

/// Reads a message.
///
/// # Errors
/// [`FrameError`]; nothing beyond the limits is allocated.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    if bytes.len() > BODY_ENCODED_BYTES_MAX {
        return Err(FrameError::TooLarge);
    }
    let plain = unpack(bytes)?;
    let (message, rest) = postcard::take_from_bytes(&plain).map_err(|_| FrameError::Malformed)?;
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(FrameError::Malformed)
    }
}

/// One frame, read into at most the decoded limit; skippable frames and a second frame are refused.
fn unpack(bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    use std::io::Read;
    // The magic number of a data frame; skippable frames have others.
    if bytes.get(..4) != Some(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(FrameError::Compression);
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)
        .map_err(|_| FrameError::Compression)?
        .single_frame();
    decoder
        .window_log_max(ZSTD_WINDOW_LOG_MAX)
        .map_err(|_| FrameError::Compression)?;
    let mut plain = Vec::new();
    let limit = BODY_DECODED_BYTES_MAX as u64 + 1;
    decoder
        .by_ref()
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|_| FrameError::Compression)?;
    if plain.len() > BODY_DECODED_BYTES_MAX {
        return Err(FrameError::TooLarge);
    }
    if decoder.finish().is_empty() {
        Ok(plain)
    } else {
        Err(FrameError::Compression)
    }
}
