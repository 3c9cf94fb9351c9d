//! Style and scripts: part of the program, compressed once, served under names that hold their hash.
//!
//! What has its hash in its name may be kept for a year; a new version has a new name. `assets/LIST` names what was
//! vendored, from where and with which hash; a test compares.

use std::{io::Write, sync::LazyLock};

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use crate::{actions::Code, app::App, http::Problem};

/// Hex digits of the hash in a name: enough to tell versions apart.
const HASH_DIGITS: usize = 12;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

const ASSETS: [Asset; 4] = [
    Asset {
        name: "htmx.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../../assets/htmx-4.0.1.min.js"),
    },
    Asset {
        name: "page.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../../assets/page.js"),
    },
    Asset {
        name: "page.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("../../../assets/page.css"),
    },
    Asset {
        name: "icon.svg",
        kind: "image/svg+xml",
        bytes: include_bytes!("../../../assets/icon.svg"),
    },
];

struct Served {
    path: String,
    kind: &'static str,
    plain: Bytes,
    gzip: Bytes,
}

static SERVED: LazyLock<Vec<Served>> = LazyLock::new(|| {
    ASSETS
        .iter()
        .map(|asset| {
            let hash = hex::encode(Sha256::digest(asset.bytes));
            let (stem, end) = asset.name.rsplit_once('.').unwrap_or((asset.name, ""));
            Served {
                path: format!("/assets/{stem}-{}.{end}", &hash[..HASH_DIGITS]),
                kind: asset.kind,
                plain: Bytes::from_static(asset.bytes),
                gzip: gzip(asset.bytes, Compression::best()).into(),
            }
        })
        .collect()
});

pub(super) fn routes() -> Router<App> {
    // Now, not while the first page waits for it.
    LazyLock::force(&SERVED);
    Router::new()
        .route("/assets/{name}", get(serve))
        .route("/favicon.ico", get(icon))
}

/// Where a page finds an asset.
pub(super) fn path_of(name: &str) -> &'static str {
    let index = ASSETS.iter().position(|asset| asset.name == name);
    index.map_or("", |index| SERVED[index].path.as_str())
}

/// Compresses for browsers.
pub(super) fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), level);
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Whether the browser takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0"))
    })
}

async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let found = SERVED
        .iter()
        .find(|served| served.path.strip_prefix("/assets/") == Some(name.as_str()));
    match found {
        Some(served) => answer(served, &headers),
        None => Problem::from(Code::NotFound).into_response(),
    }
}

async fn icon(headers: HeaderMap) -> Response {
    answer(&SERVED[3], &headers)
}

fn answer(served: &'static Served, headers: &HeaderMap) -> Response {
    let compressed = takes_gzip(headers);
    let body = if compressed { &served.gzip } else { &served.plain };
    let mut response = body.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(served.kind));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    if compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use super::*;

    /// What all of them weigh together on the way to a browser; the rest of the 100 KB is the page's.
    const COMPRESSED_BYTES_MAX: usize = 40 * 1024;

    #[test]
    fn what_was_vendored_is_what_the_list_says_and_its_licence_lies_beside_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        let list = fs::read_to_string(folder.join("LIST")).unwrap();
        let listed: BTreeMap<&str, &str> = list
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(|line| {
                let mut words = line.split_whitespace();
                (words.next().unwrap(), words.next().unwrap())
            })
            .collect();
        let own = ["LIST", "page.js", "page.css", "icon.svg"];
        for entry in fs::read_dir(&folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if own.contains(&name.as_str()) {
                continue;
            }
            let hash = hex::encode(Sha256::digest(fs::read(folder.join(&name)).unwrap()));
            assert_eq!(listed.get(name.as_str()), Some(&hash.as_str()), "{name}");
        }
        assert!(listed.contains_key("htmx-4.0.1.min.js") && listed.contains_key("htmx-4.0.1.LICENSE"));
    }

    #[test]
    fn all_assets_together_are_small_when_compressed() {
        let bytes: usize = SERVED.iter().map(|served| served.gzip.len()).sum();
        assert!(bytes <= COMPRESSED_BYTES_MAX, "{bytes} bytes");
    }

    #[test]
    fn a_browser_that_does_not_take_gzip_gets_none() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            headers
        };
        assert!(takes_gzip(&with("br, gzip;q=0.8")));
        assert!(!takes_gzip(&with("br, gzip;q=0")));
        assert!(!takes_gzip(&with("identity")));
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
