//! Names of the network: which service is meant by an address.

use std::net::IpAddr;

/// The service that an address is made of, if it is made of one: `orders:8080`, `http://orders`,
/// `orders.default.svc.cluster.local`, `orders.default:80`, `orders.service.consul` are all `orders`.
/// None for addresses that are numbers, for this machine, and for what is a plain name already;
/// `shop.orders` is one, and becomes an address by a port.
pub(crate) fn service_in(address: &str) -> Option<&str> {
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    let bare = bare.split(['/', '?']).next().unwrap_or(bare);
    let (host, port) = match bare.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (host, true),
        _ => (bare, false),
    };
    let host = host.trim_end_matches('.');
    if host.parse::<IpAddr>().is_ok() || host.starts_with('[') {
        return None;
    }
    let mut labels = host.split('.');
    let first = labels.next().unwrap_or(host);
    let rest: Vec<&str> = labels.collect();
    // What Kubernetes and Consul append, and the namespace alone; any other domain is somebody else's.
    let inside = match rest.as_slice() {
        [] => true,
        [_] => port,
        ["service", "consul"] => true,
        [_, "svc", ..] | ["svc", ..] => true,
        _ => false,
    };
    let found = inside && !first.is_empty() && first != "localhost" && first != address;
    found.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::service_in;

    #[test]
    fn addresses_are_made_of_services() {
        for (address, service) in [
            ("ts-order-service:8080", Some("ts-order-service")),
            ("orders.default.svc.cluster.local", Some("orders")),
            ("orders.default.svc.cluster.local.:80", Some("orders")),
            ("orders.default.svc", Some("orders")),
            ("orders.default:80", Some("orders")),
            ("orders.default", None),
            ("http://orders:80/path", Some("orders")),
            ("orders.service.consul", Some("orders")),
            ("orders", None),
            ("mail.example.com", None),
            ("10.0.0.7:8080", None),
            ("10.0.0.7", None),
            ("[::1]:80", None),
            ("localhost:80", None),
            ("", None),
            (":80", None),
        ] {
            assert_eq!(service_in(address), service, "{address}");
        }
    }
}
