//! A port for a program that cannot be handed an open socket.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Below the ports from which systems take those of outgoing connections: none of the thousands
/// that tests make is given one of these before the program has bound it, or while it restarts.
const PORTS: std::ops::Range<u64> = 15_000..32_000;

/// A TCP port on 127.0.0.1 on which nothing listens.
///
/// # Panics
/// When a hundred ports, chosen at random, are taken.
#[must_use]
pub fn free_port() -> u16 {
    (0..100)
        .map(|attempt: u32| RandomState::new().hash_one(attempt) % (PORTS.end - PORTS.start))
        .filter_map(|offset| u16::try_from(PORTS.start + offset).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port on 127.0.0.1")
}
