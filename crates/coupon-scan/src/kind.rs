//! The kinds of codes, and one value for each kind.

/// The stored form of a code. Codes of different kinds are never equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 8 characters of A to Z and 0 to 9.
    Eight,
    /// 9 of them.
    Nine,
    /// 10 of them.
    Ten,
    /// 8 to 10 characters, some of them others: stored as text.
    Other,
}

impl Kind {
    /// In the order in which arrays hold them.
    pub(crate) const ALL: [Kind; 4] = [Kind::Eight, Kind::Nine, Kind::Ten, Kind::Other];
    /// Those that are stored as numbers.
    #[cfg(test)]
    pub(crate) const PACKED: [Kind; 3] = [Kind::Eight, Kind::Nine, Kind::Ten];

    /// Bits of the number that stands for a code: 36 to the power of its characters, rounded up. A
    /// text has no such number; its hash is as long.
    pub(crate) const fn bits(self) -> u32 {
        match self {
            Kind::Eight => 42,
            Kind::Nine => 47,
            Kind::Ten => 52,
            Kind::Other => 64,
        }
    }
}

/// Something for each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ByKind<T>(pub(crate) [T; 4]);

impl<T> ByKind<T> {
    pub(crate) fn new(make: impl FnMut(Kind) -> T) -> ByKind<T> {
        ByKind(Kind::ALL.map(make))
    }

    #[inline]
    pub(crate) fn of(&self, kind: Kind) -> &T {
        let ByKind([eight, nine, ten, other]) = self;
        match kind {
            Kind::Eight => eight,
            Kind::Nine => nine,
            Kind::Ten => ten,
            Kind::Other => other,
        }
    }

    #[inline]
    pub(crate) fn of_mut(&mut self, kind: Kind) -> &mut T {
        let ByKind([eight, nine, ten, other]) = self;
        match kind {
            Kind::Eight => eight,
            Kind::Nine => nine,
            Kind::Ten => ten,
            Kind::Other => other,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}
