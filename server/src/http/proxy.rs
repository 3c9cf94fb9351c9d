//! Whose request it is when a proxy hands it on.
//!
//! A header may be written by anybody, so it counts only where the other end of the connection is a proxy that the
//! operator named, and in it only as far to the left as each hop was one of them. What a stranger wrote before the
//! first named proxy got the request is never believed.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

use crate::config::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Hops looked at: more proxies in a row are a mistake or an attack.
const HOPS_MAX: usize = 16;

/// Who asks: the other end of the connection, or whom the named proxies name.
pub(super) fn client(peer: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> SocketAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer.ip()) {
        return peer;
    }
    let named = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect::<Vec<_>>();
    let mut client = peer.ip();
    for hop in named.iter().rev().take(HOPS_MAX) {
        // Behind something unreadable nobody knows who stands; the last hop that is known answers for it.
        let Some(address) = address(hop.trim()) else { break };
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    // The port there is nobody's business; only this connection has one.
    SocketAddr::new(client, if client == peer.ip() { peer.port() } else { 0 })
}

/// `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::7`, `[2001:db8::7]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|whole| whole.ip()));
    address
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse())
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        client(SocketAddr::new(peer.parse().unwrap(), 4711), &headers, &trusted)
            .ip()
            .to_string()
    }

    #[test]
    fn a_header_from_anybody_else_is_not_believed() {
        assert_eq!(asked("203.0.113.7", &["1.1.1.1"], &[]), "203.0.113.7");
        assert_eq!(asked("203.0.113.7", &["1.1.1.1"], &["10.0.0.0/8"]), "203.0.113.7");
    }

    #[test]
    fn a_named_proxy_says_who_asks_and_what_the_client_wrote_itself_is_passed_over() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(asked("10.1.2.3", &["203.0.113.7"], &trusted), "203.0.113.7");
        assert_eq!(asked("10.1.2.3", &["6.6.6.6, 203.0.113.7"], &trusted), "203.0.113.7");
        assert_eq!(
            asked("10.1.2.3", &["6.6.6.6", "203.0.113.7:80, 10.9.9.9"], &trusted),
            "203.0.113.7"
        );
        assert_eq!(asked("::ffff:10.1.2.3", &["[2001:db8::7]:80"], &trusted), "2001:db8::7");
        assert_eq!(asked("fd00::1", &["[2001:db8::7]"], &trusted), "2001:db8::7");
    }

    #[test]
    fn nonsense_stops_at_the_last_hop_that_is_known() {
        let trusted = ["10.0.0.0/8"];
        for nonsense in ["", "unknown", "6.6.6.6, ", "6.6.6.6, _hidden", "6.6.6.6,\"x\""] {
            assert_eq!(asked("10.1.2.3", &[nonsense], &trusted), "10.1.2.3", "{nonsense}");
        }
        assert_eq!(asked("10.1.2.3", &["unknown, 10.7.7.7"], &trusted), "10.7.7.7");
        let long = "10.1.1.1,".repeat(5_000) + "10.1.1.1";
        assert_eq!(asked("10.1.2.3", &[&long], &trusted), "10.1.1.1");
    }
}
