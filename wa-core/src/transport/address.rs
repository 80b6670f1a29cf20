//! Which addresses are of the public internet. The registries of special-purpose addresses: RFC 6890, with those after it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether anybody may be reached at this address: not this machine, its network, or anything with a special purpose. An
/// address inside of another (mapped, NAT64) counts as what is inside.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_special = match address.octets() {
        [0 | 10 | 127, ..]                   // this network, private, loopback
        | [100, 64..=127, ..]                // carriers' NAT
        | [169, 254, ..]                     // link-local, with the metadata of clouds
        | [172, 16..=31, ..]                 // private
        | [192, 0, 0 | 2, _]                 // protocols, documentation
        | [192, 88, 99, _]                   // 6to4 relays
        | [192, 168, ..]                     // private
        | [198, 18..=19, ..]                 // benchmarks
        | [198, 51, 100, _]                  // documentation
        | [203, 0, 113, _]                   // documentation
        | [224..=255, ..] => true,           // multicast, reserved, broadcast
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, rest @ ..] = address.segments();
    let [_, _, _, _, high, low] = rest;
    let inside = || {
        let [a, b, c, d] = [high.to_be_bytes(), low.to_be_bytes()].concat().try_into().unwrap_or([0; 4]);
        Ipv4Addr::new(a, b, c, d)
    };
    match (first, second, rest) {
        // Mapped, and through a NAT64.
        (0, 0, [0, 0, 0, 0xFFFF, ..]) | (0x64, 0xFF9B, [0, 0, 0, 0, ..]) => is_public_v4(inside()),
        // Protocols with Teredo, documentation, 6to4, documentation.
        (0x2001, 0..=0x1FF | 0xDB8, _) | (0x2002, ..) | (0x3FFF, 0..=0xFFF, _) => false,
        // All that was ever given out.
        _ => first & 0xE000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2001:10::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
            "::808:808",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "126.1.1.1",
            "169.253.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
