//! Finds out in which encoding a file's text is, and decodes it.
//!
//! UTF-8 with or without a byte-order mark, UTF-16 with one, and GBK (as GB18030, which contains it) are
//! recognised. Latin encodings cannot be told apart reliably and are never guessed: `--encoding` names them.

use encoding_rs::{Encoding, GB18030, UTF_8};

use super::ImportError;

/// Share of double-byte characters that must lie in the common block of GB 2312 for bytes to be taken as GBK.
/// Chinese text has nearly all there; accented Latin letters read as GBK have nearly none.
const GBK_COMMON_PERCENT_MIN: usize = 60;
/// Valid multi-byte characters for each invalid place, from which on text is UTF-8 with a few broken cells.
const UTF8_VALID_PER_INVALID_MIN: usize = 10;
/// One broken line in so many is refused alone; more mean that the whole file is in another encoding.
const BROKEN_LINES_ONE_IN: usize = 100;

/// Text and the name of the encoding it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text without byte-order mark. Undecodable places hold U+FFFD, which no cell may contain.
    pub text: String,
    /// The encoding's name, as in `--encoding`.
    pub encoding: &'static str,
}

/// Decodes `bytes` in the encoding named, or in the one it finds.
///
/// # Errors
/// [`ImportError::UnknownEncoding`] for a name that is none, [`ImportError::Encoding`] if none fits.
pub fn decode(bytes: &[u8], named: Option<&str>) -> Result<Decoded, ImportError> {
    if let Some(name) = named {
        let encoding = Encoding::for_label(name.as_bytes()).ok_or_else(|| ImportError::UnknownEncoding(name.into()))?;
        let (text, _) = encoding.decode_with_bom_removal(bytes);
        return Ok(Decoded {
            text: text.into_owned(),
            encoding: encoding.name(),
        });
    }
    if let Some((encoding, mark_bytes)) = Encoding::for_bom(bytes) {
        let (text, _) = encoding.decode_without_bom_handling(&bytes[mark_bytes..]);
        return Ok(Decoded {
            text: text.into_owned(),
            encoding: encoding.name(),
        });
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Decoded {
            text: text.to_owned(),
            encoding: UTF_8.name(),
        });
    }
    let utf8 = Utf8Damage::of(bytes);
    let lossy = || Decoded {
        text: String::from_utf8_lossy(bytes).into_owned(),
        encoding: UTF_8.name(),
    };
    if utf8.valid_multibyte >= UTF8_VALID_PER_INVALID_MIN * utf8.invalid || utf8.only_cut_at_end {
        return Ok(lossy());
    }
    if looks_like_gbk(bytes)
        && let Some(text) = GB18030.decode_without_bom_handling_and_without_replacement(bytes)
    {
        return Ok(Decoded {
            text: text.into_owned(),
            encoding: GB18030.name(),
        });
    }
    if utf8.broken_lines <= 1 + utf8.lines / BROKEN_LINES_ONE_IN {
        return Ok(lossy());
    }
    Err(ImportError::Encoding)
}

struct Utf8Damage {
    valid_multibyte: usize,
    invalid: usize,
    only_cut_at_end: bool,
    lines: usize,
    broken_lines: usize,
}

impl Utf8Damage {
    fn of(bytes: &[u8]) -> Self {
        let mut damage = Self {
            valid_multibyte: 0,
            invalid: 0,
            only_cut_at_end: false,
            lines: 0,
            broken_lines: 0,
        };
        for line in bytes.split(|byte| *byte == b'\n') {
            damage.lines += 1;
            let mut broken = false;
            for chunk in line.utf8_chunks() {
                damage.valid_multibyte += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
                if !chunk.invalid().is_empty() {
                    damage.invalid += 1;
                    broken = true;
                }
            }
            damage.broken_lines += usize::from(broken);
        }
        if let Err(error) = std::str::from_utf8(bytes) {
            damage.only_cut_at_end = error.error_len().is_none() && damage.invalid == 1;
        }
        damage
    }
}

fn looks_like_gbk(bytes: &[u8]) -> bool {
    let (mut pairs, mut common, mut at) = (0_usize, 0_usize, 0_usize);
    while at < bytes.len() {
        if bytes[at] < 0x80 {
            at += 1;
            continue;
        }
        let trail = bytes.get(at + 1).copied().unwrap_or(0);
        pairs += 1;
        // A1–F7 with a trail of A1–FE is GB 2312: punctuation, then the 6,763 common characters.
        if (0xa1..=0xf7).contains(&bytes[at]) && trail >= 0xa1 {
            common += 1;
        }
        at += 2;
    }
    pairs > 0 && common * 100 >= pairs * GBK_COMMON_PERCENT_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        let decoded = decode("\u{feff}名称\r\n".as_bytes(), None).unwrap();
        assert_eq!(
            decoded,
            Decoded {
                text: "名称\r\n".into(),
                encoding: "UTF-8"
            }
        );
    }

    #[test]
    fn gbk_is_recognised_without_being_named() {
        let (bytes, ..) = encoding_rs::GBK.encode("名称,地区\n阿爸阿妈,北京市\n镕基贸易,上海市\n");
        let decoded = decode(&bytes, None).unwrap();
        assert_eq!(decoded.text, "名称,地区\n阿爸阿妈,北京市\n镕基贸易,上海市\n");
        assert_eq!(decoded.encoding, "gb18030");
    }

    #[test]
    fn latin_text_is_not_taken_for_chinese() {
        let (bytes, ..) = encoding_rs::WINDOWS_1252.encode("name\nMéxico D.F.\nLuleå norr\nMünster süd\n");
        assert_eq!(decode(&bytes, None), Err(ImportError::Encoding));
        assert_eq!(
            decode(&bytes, Some("windows-1252")).unwrap().text,
            "name\nMéxico D.F.\nLuleå norr\nMünster süd\n"
        );
    }

    #[test]
    fn a_file_cut_inside_a_character_keeps_its_other_rows() {
        let whole = "name\nMéxico\nLuleå";
        let decoded = decode(&whole.as_bytes()[..whole.len() - 1], None).unwrap();
        assert_eq!(decoded.text, "name\nMéxico\nLule\u{fffd}");
    }

    #[test]
    fn one_broken_cell_does_not_spoil_a_file() {
        let decoded = decode(b"name\nAlfreds\nBad\xffName\nToms\n", None).unwrap();
        assert_eq!(decoded.text, "name\nAlfreds\nBad\u{fffd}Name\nToms\n");
    }
}
