//! Cookies of pages: the session, the language, the time zone.
//!
//! The session's cookie is `__Host-…`: bound to this host, sent over TLS only, out of reach of scripts. Browsers differ in
//! whether they keep such a cookie on `http://localhost`, and the server speaks plain HTTP there by default. So on a
//! loopback address, and only there, a cookie of another name without `Secure` is used: what it protects does not
//! leave the machine. Over plain HTTP on any other address nobody is signed in at all (`sign_in.rs` says so).

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderValue, header};

use crate::auth::SESSION_MS;

const SECURE: &str = "__Host-fieldpool";
const LOCAL: &str = "fieldpool-local";
const LANGUAGE: &str = "fieldpool-language";
/// Set by the page's script.
const ZONE: &str = "fieldpool-zone";
/// A choice of language is kept for a year.
const LANGUAGE_SECONDS: i64 = 365 * 24 * 60 * 60;

/// How a browser reaches the server, as far as its cookie depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Over TLS, ended here or at a proxy.
    Secure,
    /// Plain, on this machine.
    Local,
    /// Plain, over a network.
    Plain,
}

impl Way {
    /// The way of a request that a form made: browsers say in `Origin` which scheme they see. None for a request that
    /// no page of this server made.
    pub(super) fn of_form(headers: &HeaderMap) -> Option<Self> {
        let host = text(headers, header::HOST)?;
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        if site.is_some_and(|site| site != b"same-origin") {
            return None;
        }
        let origin = text(headers, header::ORIGIN)?;
        let (scheme, of) = origin.split_once("://")?;
        match scheme {
            _ if !of.eq_ignore_ascii_case(host) => None,
            "https" => Some(Self::Secure),
            "http" if is_loopback(host) => Some(Self::Local),
            "http" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// The token of the session, if the browser sent one.
pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    find(headers, SECURE).or_else(|| {
        let host = text(headers, header::HOST)?;
        is_loopback(host).then(|| find(headers, LOCAL))?
    })
}

/// The language that was chosen.
pub(in crate::http) fn language(headers: &HeaderMap) -> Option<&str> {
    find(headers, LANGUAGE)
}

/// The browser's time zone.
pub(super) fn zone(headers: &HeaderMap) -> Option<String> {
    // A script has encoded the slash of Asia/Shanghai, or not.
    find(headers, ZONE).map(|zone| zone.replace("%2F", "/"))
}

/// Begins the session in the browser.
pub(super) fn set_session(way: Way, token: &str) -> HeaderValue {
    let seconds = SESSION_MS / 1000;
    cookie(match way {
        Way::Local => format!("{LOCAL}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax"),
        Way::Secure | Way::Plain => {
            format!("{SECURE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax; Secure")
        }
    })
}

/// Ends the session in the browser, whichever cookie it has.
pub(super) fn clear_session() -> [HeaderValue; 2] {
    [
        cookie(format!("{SECURE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure")),
        cookie(format!("{LOCAL}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")),
    ]
}

/// Remembers the language.
pub(super) fn set_language(tag: &str) -> HeaderValue {
    cookie(format!(
        "{LANGUAGE}={tag}; Path=/; Max-Age={LANGUAGE_SECONDS}; SameSite=Lax"
    ))
}

// Names, tokens and tags are of letters that a header may hold.
fn cookie(text: String) -> HeaderValue {
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        || name.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_way_of_a_form_is_what_the_browser_says_of_its_own_page() {
        let of = |pairs: &[_]| Way::of_form(&headers(pairs));
        assert_eq!(
            of(&[("host", "crm.example"), ("origin", "https://crm.example")]),
            Some(Way::Secure)
        );
        assert_eq!(
            of(&[("host", "127.0.0.1:8420"), ("origin", "http://127.0.0.1:8420")]),
            Some(Way::Local)
        );
        assert_eq!(
            of(&[("host", "[::1]:8420"), ("origin", "http://[::1]:8420")]),
            Some(Way::Local)
        );
        assert_eq!(
            of(&[("host", "10.0.0.5:8420"), ("origin", "http://10.0.0.5:8420")]),
            Some(Way::Plain)
        );
        for foreign in [
            &[("host", "crm.example"), ("origin", "https://evil.example")][..],
            &[("host", "crm.example"), ("origin", "null")],
            &[("host", "crm.example")],
            &[
                ("host", "crm.example"),
                ("origin", "https://crm.example"),
                ("sec-fetch-site", "cross-site"),
            ],
        ] {
            assert_eq!(of(foreign), None, "{foreign:?}");
        }
    }

    #[test]
    fn the_cookie_without_secure_counts_on_this_machine_only() {
        let here = headers(&[("host", "localhost:8420"), ("cookie", "a=b; fieldpool-local=token")]);
        assert_eq!(session(&here), Some("token"));
        let there = headers(&[("host", "crm.example"), ("cookie", "fieldpool-local=token")]);
        assert_eq!(session(&there), None);
        let secure = headers(&[("host", "crm.example"), ("cookie", "__Host-fieldpool=token")]);
        assert_eq!(session(&secure), Some("token"));
    }

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8420",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "[fe80::1]", "", "127.0.0.1.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
