//! The setting for the working memory of a scan.

use std::str::FromStr;

use serde::Deserialize;

/// Working memory of a scan, bytes: at least [`coupon_scan::SMALLEST_MEMORY`].
///
/// Written as a number of bytes, or as one with K, M or G behind it, powers of 1024. Default: 448M.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Memory(u64);

impl Memory {
    /// The bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory(coupon_scan::DEFAULT_MEMORY)
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Memory, String> {
        let (number, shift) = match text.char_indices().next_back() {
            Some((end, 'K' | 'k')) => (text.get(..end), 10),
            Some((end, 'M' | 'm')) => (text.get(..end), 20),
            Some((end, 'G' | 'g')) => (text.get(..end), 30),
            _ => (Some(text), 0),
        };
        let bytes = number
            .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|number| number.parse::<u64>().ok())
            .and_then(|number| number.checked_mul(1 << shift))
            .ok_or("a whole number of bytes, or one with K, M or G behind it, is expected")?;
        let smallest = coupon_scan::SMALLEST_MEMORY;
        if bytes < smallest {
            return Err(format!("a scan needs at least {}M", smallest >> 20));
        }
        Ok(Memory(bytes))
    }
}

impl TryFrom<String> for Memory {
    type Error = String;

    fn try_from(text: String) -> Result<Memory, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_units_and_a_smallest_amount() {
        for (text, bytes) in [
            ("448M", 448 << 20),
            ("64m", 64 << 20),
            ("65536K", 64 << 20),
            ("2G", 2 << 30),
            ("100000000", 100_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Memory(bytes)), "{text}");
        }
        for text in [
            "63M",
            "1",
            "0",
            "",
            "M",
            "+1G",
            "-1G",
            "1.5G",
            "64MB",
            "64T",
            "64 M",
            "99999999999G",
        ] {
            assert!(text.parse::<Memory>().is_err(), "{text}");
        }
        assert_eq!("448M".parse(), Ok(Memory::default()));
    }
}
